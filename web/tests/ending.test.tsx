import { act, fireEvent, screen } from "@testing-library/react";
import { beforeEach, expect, it, vi } from "vitest";
import { granted, json, network, open, remember } from "./network";

const RENEW = "POST /webapi/sessions/web/renew";
const MINUTE = 60_000;

async function pass(milliseconds: number) {
  await act(() => vi.advanceTimersByTimeAsync(milliseconds));
}

beforeEach(async () => {
  vi.useFakeTimers({ shouldAdvanceTime: false });
  remember();
  network
    .on("GET /v1/resources/node", { items: [], total: 0 })
    .on("DELETE /webapi/sessions", {})
    .on(RENEW, () => json(200, granted("token", { sessionInactiveTimeout: 10 * MINUTE })));
});

it("warns before silence ends the session, and ends it", async () => {
  open("/servers");
  await pass(0);
  await pass(8 * MINUTE);
  expect(screen.queryByText(/You will be logged out/)).toBeNull();
  await pass(MINUTE + 2_000);
  screen.getByText(/You will be logged out in 0:5\d/);
  await pass(MINUTE);
  screen.getByText(/You were logged out because nothing happened/);
  expect(network.of("DELETE /webapi/sessions")).toHaveLength(1);
});

it("goes on for who is there, and does not renew for who is not", async () => {
  open("/servers");
  await pass(0);
  expect(network.of(RENEW)).toHaveLength(1);
  for (let minute = 0; minute < 30; minute++) {
    fireEvent.keyDown(window, { key: "a" });
    await pass(MINUTE);
  }
  screen.getByRole("heading", { name: "Servers", level: 1 });
  const renewed = network.of(RENEW).length;
  expect(renewed).toBeGreaterThanOrEqual(5);
  await pass(9 * MINUTE);
  expect(network.of(RENEW).length - renewed).toBeLessThanOrEqual(1);
});

it("warns before the session's own end", async () => {
  const end = { sessionInactiveTimeout: 0, sessionExpires: new Date(Date.now() + 7 * MINUTE).toISOString() };
  network.on(RENEW, () => json(200, granted("token", end)));
  open("/servers");
  await pass(0);
  await pass(MINUTE);
  expect(screen.queryByText(/Your session ends in/)).toBeNull();
  await pass(MINUTE + 2_000);
  screen.getByText(/Your session ends in 4:5\d/);
  await pass(5 * MINUTE);
  screen.getByText("Your session has ended. Log in to continue.");
});
