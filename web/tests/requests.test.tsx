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
