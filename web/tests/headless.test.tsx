import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it } from "vitest";
import { granted, network, open, refused, remember } from "./network";

const REQUEST = { id: "id-1", user: "alice", state: "pending", client_ip_address: "198.51.100.7" };

beforeEach(() => {
  remember();
  network
    .on("POST /webapi/sessions/web/renew", granted())
    .on("GET /v1/headless/id-1", REQUEST)
    .on("POST /v1/mfa/challenge", { webauthn_challenge: null, totp_challenge: false });
});

it("tells where the command runs, and denies it at a word", async () => {
  network.on("PUT /v1/headless/id-1", { ...REQUEST, state: "denied" });
  open("/headless/id-1");
  await screen.findByText(/198.51.100.7/);
  await userEvent.click(screen.getByRole("button", { name: "Deny" }));
  await screen.findByText(/the command was stopped/);
  expect(network.of("PUT /v1/headless/id-1").map(({ body }) => body)).toEqual([{ action: "deny" }]);
  expect(screen.queryByRole("button", { name: "Deny" })).toBeNull();
});

it("says that a key is needed where there is none", async () => {
  open("/headless/id-1");
  await screen.findByText(/needs a passkey or security key/);
  expect(network.of("POST /v1/mfa/challenge").at(0)?.body).toEqual({ scope: "headless" });
});

it("shows nothing of a request of somebody else", async () => {
  network.on("GET /v1/headless/id-1", () => refused(404, "not_found", "there is no such headless login"));
  open("/headless/id-1");
  await screen.findByText(/no such headless login/);
  await waitFor(() => expect(screen.queryByRole("button", { name: "Deny" })).toBeNull());
});
