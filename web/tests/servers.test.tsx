import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it } from "vitest";
import { granted, json, network, open, refused, remember, sessionRefused } from "./network";

const RENEW = "POST /webapi/sessions/web/renew";
const LIST = "GET /v1/resources/node";

function server(name: string, labels: Record<string, string> = {}, spec: object = {}) {
  return { kind: "node", metadata: { name: `id-${name}`, labels }, spec: { hostname: name, ...spec } };
}

beforeEach(() => {
  remember();
  network.on(RENEW, granted()).on(LIST, {
    items: [
      server("pay-1", { env: "prod", "teleport.internal/hidden": "x" }, { addr: "10.0.0.1:22" }),
      server("web-1", {}, { use_tunnel: true, cmd_labels: { kernel: { result: "6.1" } } }),
    ],
    total: 2,
    logins: [["root", "deploy"], []],
  });
});

function queries(): URLSearchParams[] {
  return network.of(LIST).map(({ path }) => new URLSearchParams(path.split("?")[1]));
}

it("lists servers with addresses and labels, without the product's own", async () => {
  open("/servers");
  const row = (await screen.findByRole("rowheader", { name: /pay-1/ })).closest("tr") as HTMLElement;
  within(row).getByText("10.0.0.1:22");
  expect(within(row).getAllByRole("button", { name: "env=prod" })).not.toEqual([]);
  expect(screen.queryByText(/teleport.internal/)).toBeNull();
  expect(screen.getAllByText("kernel=6.1")).not.toEqual([]);
  screen.getByText("Through the tunnel");
  screen.getByText("2 servers");
  expect(document.title).toBe("Servers · Teleport");
});

it("asks once for what was typed", async () => {
  open("/servers");
  await screen.findByText("2 servers");
  await userEvent.type(screen.getByRole("searchbox"), "pay");
  await waitFor(() => expect(queries().at(-1)?.get("search")).toBe("pay"));
  expect(queries()).toHaveLength(2);
  expect(window.location.search).toBe("?search=pay");
});

it("narrows by a label and widens again", async () => {
  open("/servers");
  await userEvent.click((await screen.findAllByRole("button", { name: "env=prod" }))[0] as HTMLElement);
  await waitFor(() => expect(queries().at(-1)?.get("labels")).toBe('{"env":"prod"}'));
  await userEvent.click(screen.getByRole("button", { name: "Drop env=prod" }));
  await waitFor(() => expect(queries().at(-1)?.get("labels")).toBeNull());
});

it("shows the newest question's answer, whichever comes last", async () => {
  const late: ((response: Response) => void)[] = [];
  network.on(LIST, ({ path }) =>
    path.includes("search=a")
      ? new Promise<Response>((resolve) => late.push(resolve))
      : json(200, { items: [server("newest")], total: 1 }),
  );
  open("/servers?search=a");
  const box = await screen.findByRole("searchbox");
  await waitFor(() => expect(late).toHaveLength(1));
  await userEvent.clear(box);
  await screen.findByRole("rowheader", { name: /newest/ });
  late[0]?.(json(200, { items: [server("stale")], total: 1 }));
  await new Promise((resolve) => setTimeout(resolve));
  expect(screen.queryByRole("rowheader", { name: /stale/ })).toBeNull();
});

it("gets the next page from where the first ended", async () => {
  network.on(LIST, ({ path }) =>
    path.includes("start=next")
      ? json(200, { items: [server("second")], total: 2, logins: [[]] })
      : json(200, { items: [server("first")], total: 2, next_start: "next", logins: [["root"]] }),
  );
  open("/servers");
  await userEvent.click(await screen.findByRole("button", { name: "Show more" }));
  await screen.findByRole("rowheader", { name: /second/ });
  screen.getByRole("rowheader", { name: /first/ });
  expect(screen.queryByRole("button", { name: "Show more" })).toBeNull();
});

it("shows how to connect with a login of one's own, harmless whatever the server is called", async () => {
  network.on(LIST, { items: [server("a; rm -rf ~")], total: 1, logins: [["root"]] });
  open("/servers");
  await userEvent.click(await screen.findByRole("button", { name: "Connect to a; rm -rf ~" }));
  screen.getByText("tsh ssh 'root@a; rm -rf ~'");
});

it("says so when no login is allowed", async () => {
  open("/servers");
  await userEvent.click(await screen.findByRole("button", { name: "Connect to web-1" }));
  screen.getByText(/Your roles allow no login/);
});

it("says how to add the first server", async () => {
  network.on(LIST, { items: [], total: 0 });
  open("/servers");
  await screen.findByRole("heading", { name: "No servers yet" });
  screen.getByText("tctl nodes add");
});

it("names the event of a refusal", async () => {
  network.on(LIST, () => refused(403, "access_denied", "role x denies it"));
  open("/servers");
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("role x denies it");
  expect(alert.textContent).toContain("event-1");
});

it("renews a token that was refused, and asks again once", async () => {
  let renewed = 0;
  network
    .on(RENEW, () => json(200, granted(`token-${++renewed}`)))
    .on(LIST, ({ headers }) =>
      headers.get("authorization") === "Bearer token-2"
        ? json(200, { items: [server("kept")], total: 1 })
        : sessionRefused(),
    );
  open("/servers");
  await screen.findByRole("rowheader", { name: /kept/ });
  expect(renewed).toBe(2);
});

it("does not repeat what auth itself refused", async () => {
  network.on(LIST, () => refused(401, "not_authenticated", "a second factor is needed"));
  open("/servers");
  expect((await screen.findByRole("alert")).textContent).toContain("a second factor is needed");
  expect(network.of(LIST)).toHaveLength(1);
});

it("leads to the login and back when the session is over", async () => {
  network.on(RENEW, sessionRefused);
  open("/servers?search=pay");
  await screen.findByText("Your session has ended. Log in to continue.");
  expect(new URLSearchParams(window.location.search).get("next")).toBe("/servers?search=pay");
  expect(window.localStorage.getItem("session")).toBeNull();
});

it("does not mistake an absent cluster for an ended session", async () => {
  network.on(RENEW, () => refused(503, "unavailable", "away"));
  open("/servers");
  await screen.findByRole("button", { name: "Try again" });
  network.on(RENEW, granted());
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  await screen.findByText("2 servers");
});

it("asks nobody for a session where none was", async () => {
  window.localStorage.clear();
  open("/servers");
  await screen.findByRole("heading", { name: "Log in to alpha.example" });
  expect(network.of(RENEW)).toEqual([]);
});
