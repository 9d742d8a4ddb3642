import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it } from "vitest";
import { granted, network, open, remember } from "./network";

const ALERTS = [
  {
    alert: {
      metadata: { name: "one", labels: { "teleport.internal/link": "https://goteleport.com/docs/" } },
      spec: { severity: "HIGH", message: "Away on <b>Sunday</b>" },
    },
  },
  { alert: { metadata: { name: "two" }, spec: { message: "Something small" } } },
];

beforeEach(() => {
  remember();
  network.on("POST /webapi/sessions/web/renew", granted());
});

it("shows what the cluster wants people to read, as text, until it is closed", async () => {
  network.on("GET /v1/alerts", { alerts: ALERTS });
  open("/account");
  const bar = within(
    (await screen.findByText("Away on <b>Sunday</b>")).closest("[role=status]") as HTMLElement,
  );
  expect(bar.getByRole("link").getAttribute("href")).toBe("https://goteleport.com/docs/");
  await userEvent.click(bar.getByRole("button", { name: "Close" }));
  expect(screen.queryByText("Away on <b>Sunday</b>")).toBeNull();
  screen.getByText("Something small");
  expect(decodeURIComponent(network.of("GET /v1/alerts")[0]?.path ?? "")).toContain(
    '{"teleport.internal/alert-on-login":"yes"}',
  );
});
