import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it } from "vitest";
import { granted, network, open, PING, refused } from "./network";

const TOKEN = "/webapi/users/password/token/0a1b";
const CHALLENGE = "POST /webapi/mfa/token/0a1b/registerchallenge";
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h1"/></svg>';

beforeEach(() => {
  network
    .on(`GET ${TOKEN}`, {
      tokenId: "0a1b",
      user: "alice",
      kind: "invite",
      expiry: "",
      secondFactors: ["totp", "webauthn"],
    })
    .on(CHALLENGE, { totp: { qrCode: SVG, secret: "SECRET234", otpUrl: "otpauth://" } })
    .on("PUT /webapi/users/password/token", granted())
    .on("GET /v1/resources/node", { items: [] });
});

async function fill(password: string, repeat: string, code: string) {
  const person = userEvent.setup();
  await person.type(await screen.findByLabelText("Password"), password);
  await person.type(screen.getByLabelText("Password again"), repeat);
  await person.type(await screen.findByLabelText("Six-digit code"), code);
  await person.click(screen.getByRole("button", { name: "Finish" }));
}

it("shows the picture and the secret of the authenticator, and finishes with its code", async () => {
  open("/invite/0a1b");
  const picture = await screen.findByAltText("QR code for the authenticator application");
  expect(decodeURIComponent(picture.getAttribute("src") ?? "")).toBe(`data:image/svg+xml,${SVG}`);
  screen.getByText("SECRET234");
  await fill("correct horse battery", "correct horse battery", "123456");
  await screen.findByRole("heading", { name: "Servers", level: 1 });
  expect(network.of("PUT /webapi/users/password/token")[0]?.body).toEqual({
    token: "0a1b",
    password: "correct horse battery",
    second_factor_token: "123456",
    deviceName: "authenticator",
  });
  expect(window.location.pathname).toBe("/web/servers");
});

it("asks the cluster nothing while the password will not do", async () => {
  open("/invite/0a1b");
  await fill("short", "different", "123456");
  const alerts = screen.getAllByRole("alert").map((alert) => alert.textContent);
  expect(alerts).toEqual([
    "The password needs at least 12 characters; it has 5.",
    "The two passwords differ.",
  ]);
  expect(network.of("PUT /webapi/users/password/token")).toEqual([]);
});

it("counts characters, not code units", async () => {
  open("/invite/0a1b");
  await fill("😀😀😀😀😀😀", "😀😀😀😀😀😀", "123456");
  expect(screen.getByRole("alert").textContent).toContain("it has 6");
});

it("lets a wrong code be tried again", async () => {
  network.on("PUT /webapi/users/password/token", () => refused(401, "not_authenticated", "wrong"));
  open("/invite/0a1b");
  await fill("correct horse battery", "correct horse battery", "000000");
  expect((await screen.findByRole("alert")).textContent).toContain("The code is wrong or too old.");
  expect(screen.getByLabelText("Six-digit code")).toHaveProperty("value", "");
});

it.each([404, 403, 400])("says that a link is gone when it is refused with %d", async (status) => {
  network.on(`GET ${TOKEN}`, () => refused(status, "not_found", "the link is not valid"));
  open("/invite/0a1b");
  await screen.findByRole("heading", { name: "This link is not valid any more" });
});

it("says that a link is gone when it was used meanwhile", async () => {
  network.on("PUT /webapi/users/password/token", () => refused(404, "not_found", "the link is not valid"));
  open("/invite/0a1b");
  await fill("correct horse battery", "correct horse battery", "123456");
  await screen.findByRole("heading", { name: "This link is not valid any more" });
});

it("does not call a link gone because the cluster is away", async () => {
  network.on(`GET ${TOKEN}`, () => refused(503, "unavailable", "away"));
  open("/reset/0a1b");
  await screen.findByRole("button", { name: "Try again" });
});

it("offers no way that the cluster or the browser does not know", async () => {
  network.on("GET /webapi/ping", { ...PING, auth: { allow_passwordless: false } });
  open("/invite/0a1b");
  await screen.findByLabelText("Password");
  expect(screen.queryAllByRole("radio")).toEqual([]);
});
