import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it } from "vitest";
import { granted, network, open, PING, refused, remember } from "./network";

const CODES = ["tele-aaaa-bbbb-cccc-dddd-eeee", "tele-ffff-gggg-hhhh-jjjj-kkkk"];
const refuse = () =>
  refused(401, "not_authenticated", "invalid user name, recovery code, password or second factor");

async function begin(lost: RegExp) {
  await userEvent.click(await screen.findByRole("radio", { name: lost }));
  await userEvent.type(screen.getByLabelText("User name"), "alice");
  await userEvent.type(screen.getByLabelText("Recovery code"), CODES[0] ?? "");
  await userEvent.click(screen.getByRole("button", { name: "Continue" }));
}

beforeEach(() => {
  network
    .on("GET /webapi/ping", {
      ...PING,
      auth: { ...PING.auth, second_factors: ["webauthn", "otp"] },
    })
    .on("POST /webapi/recovery/start", { token: "started", expires: "" })
    .on("POST /webapi/recovery/approve", { token: "approved", expires: "" })
    .on("POST /webapi/recovery/finish", { codes: CODES, created: "" });
});

it("is found from the login page", async () => {
  open("/login");
  await userEvent.click(await screen.findByRole("link", { name: /Lost your password/ }));
  await screen.findByRole("heading", { name: "Recover your account" });
});

it("replaces a lost password with a code of the second factor", async () => {
  network.on("POST /webapi/recovery/challenge", { totp_challenge: true });
  open("/recover");
  await begin(/^The password/);
  await userEvent.type(await screen.findByLabelText("Six-digit code"), "123456");
  await userEvent.click(screen.getByRole("button", { name: "Continue" }));
  await userEvent.type(await screen.findByLabelText("New password"), "short");
  await userEvent.type(screen.getByLabelText("Password again"), "other");
  await userEvent.click(screen.getByRole("button", { name: "Change the password" }));
  expect(network.of("POST /webapi/recovery/finish")).toEqual([]);
  for (const label of [screen.getByLabelText("New password"), screen.getByLabelText("Password again")]) {
    await userEvent.clear(label);
    await userEvent.type(label, "a long new password");
  }
  await userEvent.click(screen.getByRole("button", { name: "Change the password" }));
  for (const code of CODES) await screen.findByText(code);
  const sent = (step: string) => network.of(`POST /webapi/recovery/${step}`).at(0)?.body;
  expect(sent("start")).toEqual({ user: "alice", recovery_code: CODES[0], recover: "password" });
  expect(sent("approve")).toEqual({ token: "started", mfa_response: { totp_code: "123456" } });
  expect(sent("finish")).toEqual({ token: "approved", password: "a long new password" });
});

it("replaces a lost device with the password", async () => {
  network.on("POST /webapi/mfa/token/approved/registerchallenge", {
    totp: { qrCode: "<svg/>", secret: "ABC", otpUrl: "" },
  });
  open("/recover");
  await begin(/^The second factor/);
  await userEvent.type(await screen.findByLabelText("Password"), "the old password");
  await userEvent.click(screen.getByRole("button", { name: "Continue" }));
  await userEvent.type(await screen.findByLabelText("Name"), "new phone");
  await userEvent.click(screen.getByRole("button", { name: "Continue" }));
  network.on("POST /webapi/recovery/finish", refuse);
  await userEvent.type(await screen.findByLabelText("Six-digit code"), "111111");
  await userEvent.click(screen.getByRole("button", { name: "Finish" }));
  await screen.findByText(/The code is wrong/);
  network.on("POST /webapi/recovery/finish", { codes: CODES, created: "" });
  await userEvent.clear(screen.getByLabelText("Six-digit code"));
  await userEvent.type(screen.getByLabelText("Six-digit code"), "222222");
  await userEvent.click(screen.getByRole("button", { name: "Finish" }));
  await screen.findByText(CODES[1] ?? "");
  expect(network.of("POST /webapi/recovery/finish").at(-1)?.body).toEqual({
    token: "approved",
    second_factor_token: "222222",
    deviceName: "new phone",
  });
});

it("reads alike whatever is wrong, and says what is over", async () => {
  network.on("POST /webapi/recovery/start", refuse);
  open("/recover");
  await begin(/^The second factor/);
  await screen.findByText(/The user name, the recovery code or what you proved is wrong/);
  network
    .on("POST /webapi/recovery/start", { token: "started", expires: "" })
    .on("POST /webapi/recovery/approve", () => refused(404, "not_found", "the link is not valid"));
  await userEvent.click(screen.getByRole("button", { name: "Continue" }));
  await userEvent.type(await screen.findByLabelText("Password"), "the old password");
  await userEvent.click(screen.getByRole("button", { name: "Continue" }));
  await screen.findByText(/This recovery has ended/);
});

it("makes new codes after a second factor, and shows them once", async () => {
  remember();
  network
    .on("POST /webapi/sessions/web/renew", granted())
    .on("GET /v1/whoami", { username: "alice", cluster: "alpha.example" })
    .on("GET /v1/mfa/devices", {})
    .on("GET /v1/recovery/codes", { left: 1, created: "2026-05-01T12:00:00Z" })
    .on("POST /v1/mfa/challenge", { totp_challenge: true })
    .on("POST /v1/recovery/codes", { codes: CODES, created: "" });
  open("/account");
  await screen.findByText("1 code is left, created May 1, 2026.");
  await userEvent.click(screen.getByRole("button", { name: "Create new codes" }));
  const dialog = within(screen.getByRole("dialog"));
  await userEvent.type(await dialog.findByLabelText("Six-digit code"), "123456");
  await userEvent.click(dialog.getByRole("button", { name: "Continue" }));
  await dialog.findByText(CODES[0] ?? "");
  network.on("GET /v1/recovery/codes", { left: 3, created: "2026-11-26T12:00:00Z" });
  await userEvent.click(dialog.getByRole("button", { name: "I have kept them" }));
  await screen.findByText("3 codes are left, created Nov 26, 2026.");
  expect(screen.queryByText(CODES[0] ?? "")).toBeNull();
  expect(network.of("POST /v1/mfa/challenge").at(0)?.body).toEqual({ scope: "account_recovery" });
  await waitFor(() => expect(network.of("POST /v1/recovery/codes").length).toBe(1));
});
