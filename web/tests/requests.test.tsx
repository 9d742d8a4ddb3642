import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it } from "vitest";
import { granted, network, open, refused, remember } from "./network";

const REQUEST = {
  metadata: { name: "request-1" },
  spec: { user: "bob", roles: ["dba"], state: "PENDING", request_reason: "ticket 7" },
};

beforeEach(() => {
  remember();
  network
    .on("POST /webapi/sessions/web/renew", granted())
    .on("GET /v1/whoami", { username: "alice", cluster: "alpha.example" })
    .on("GET /v1/accesslists", {})
    .on("GET /v1/requestable", { requestable_roles: ["dba", "ops"], reason_required_for: ["dba"] })
    .on("GET /v1/accessrequests", ({ path }) =>
      Response.json({ requests: path.includes("scope=reviewable") ? [REQUEST] : [] }),
    );
});

it("asks for what was chosen, and for a reason only where a role wants one", async () => {
  network.on("POST /v1/accessrequests", { request: REQUEST });
  open("/requests");
  await userEvent.click(await screen.findByRole("button", { name: "Ask for access" }));
  await userEvent.click(await screen.findByRole("checkbox", { name: "ops" }));
  expect(screen.getByLabelText("Reason").hasAttribute("required")).toBe(false);
  await userEvent.click(screen.getByRole("checkbox", { name: "dba" }));
  expect(screen.getByLabelText("Reason").hasAttribute("required")).toBe(true);
  await userEvent.type(screen.getByLabelText("Reason"), "disk full");
  await userEvent.type(screen.getByLabelText("Who should review it"), "lena, greta");
  await userEvent.click(screen.getByRole("button", { name: "Send the request" }));
  await screen.findByText(/waits for a review/);
  expect(network.of("POST /v1/accessrequests").map(({ body }) => body)).toEqual([
    { roles: ["ops", "dba"], reason: "disk full", suggested_reviewers: ["lena", "greta"] },
  ]);
});

it("shows why a review was refused, and lets the reviewer try again", async () => {
  network.on("POST /v1/accessrequests/request-1/reviews", () => refused(403, "access_denied", "too late"));
  open("/requests");
  await userEvent.click(await screen.findByRole("button", { name: "Review the request of bob for dba" }));
  const dialog = within(screen.getByRole("dialog"));
  dialog.getByText("ticket 7");
  await userEvent.click(dialog.getByRole("button", { name: "Deny" }));
  await dialog.findByText(/too late/);
  expect(dialog.getByRole<HTMLButtonElement>("button", { name: "Approve" }).disabled).toBe(false);
});

it("asks for servers that were found by a search, and searches only when asked to", async () => {
  const server = (name: string, hostname: string) => ({
    kind: "node",
    metadata: { name },
    spec: { hostname },
  });
  network
    .on("GET /v1/requestable", { requestable_roles: ["ops"], search_as_roles: ["db-access"] })
    .on("GET /v1/requestable/node", ({ path }) =>
      Response.json(
        path.includes("search=db")
          ? { items: [server("id-2", "db-2")], total: 1, requires_request: [true] }
          : {
              items: [server("id-1", "web-1"), server("id-3", "db-3")],
              total: 2,
              requires_request: [false, true],
            },
      ),
    )
    .on("POST /v1/accessrequests", { request: REQUEST });
  open("/requests");
  await userEvent.click(await screen.findByRole("button", { name: "Ask for access" }));
  const dialog = within(await screen.findByRole("dialog"));
  await userEvent.click(await dialog.findByRole("radio", { name: /^Servers/ }));
  await userEvent.click(await dialog.findByRole("checkbox", { name: "db-3" }));
  dialog.getByText("You reach it already");
  await userEvent.type(dialog.getByRole("searchbox"), "db");
  expect(network.of("GET /v1/requestable/node").length).toBe(1);
  await userEvent.keyboard("{Enter}");
  await userEvent.click(await dialog.findByRole("checkbox", { name: "db-2" }));
  await userEvent.click(dialog.getByRole("button", { name: "Do not ask for db-3" }));
  await userEvent.selectOptions(dialog.getByLabelText("For how long"), "4 hours");
  await userEvent.click(dialog.getByRole("button", { name: "Send the request" }));
  await screen.findByText(/waits for a review/);
  expect(network.of("POST /v1/accessrequests").map(({ body }) => body)).toEqual([
    {
      resource_ids: ["/alpha.example/node/id-2"],
      reason: "",
      suggested_reviewers: [],
      max_duration: "PT4H",
    },
  ]);
});

it("answers a request with a membership of a list that the reviewer runs", async () => {
  const list = (name: string) => ({
    metadata: { name },
    spec: { title: `The ${name}`, owners: [], grants: { roles: ["dba"] } },
  });
  network
    .on("GET /v1/accesslists", {
      lists: [list("others"), list("dbas")],
      standings: [{ is_member: true }, { runs: true }],
    })
    .on("POST /v1/accessrequests/request-1/reviews", {
      request: { ...REQUEST, spec: { ...REQUEST.spec, state: "PROMOTED" } },
    });
  open("/requests");
  await userEvent.click(await screen.findByRole("button", { name: "Review the request of bob for dba" }));
  const dialog = within(screen.getByRole("dialog"));
  const choice = await dialog.findByLabelText<HTMLSelectElement>("Access list");
  expect([...choice.options].map(({ text }) => text)).toEqual(["The dbas"]);
  dialog.getByText("It gives: role dba");
  await userEvent.click(dialog.getByRole("button", { name: "Add to the list" }));
  await screen.findByText(/became a membership/);
  expect(network.of("POST /v1/accessrequests/request-1/reviews").map(({ body }) => body)).toEqual([
    { state: "PROMOTED", access_list: "dbas", reason: "" },
  ]);
});
