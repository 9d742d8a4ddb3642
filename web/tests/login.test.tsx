import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { chooseLanguage } from "../src/words";
import { granted, json, network, open, PING, refused } from "./network";

const FAILED = () => refused(401, "not_authenticated", "invalid username, password or second factor");
const NONE = { items: [], total: 0 };

async function typePassword(password = "correct horse battery") {
  const person = userEvent.setup();
  await person.type(await screen.findByLabelText("User name"), "alice");
  await person.type(screen.getByLabelText("Password"), password);
  await person.click(screen.getByRole("button", { name: "Continue" }));
  return person;
}

it("asks for a password, then for a code, and goes where it was led from", async () => {
  network
    .on("POST /webapi/mfa/login/begin", { totp_challenge: true })
    .on("POST /webapi/sessions/web", granted())
    .on("GET /v1/resources/node", NONE);
  open("/login?next=%2Fservers%3Fsearch%3Dpay");
  const person = await typePassword();
  await person.type(await screen.findByLabelText("Six-digit code"), "123 456");
  await person.click(screen.getByRole("button", { name: "Log in" }));
  await screen.findByRole("heading", { name: "Servers", level: 1 });
  expect(window.location.pathname + window.location.search).toBe("/web/servers?search=pay");
  expect(network.of("POST /webapi/sessions/web")[0]?.body).toEqual({
    user: "alice",
    pass: "correct horse battery",
    second_factor_token: "123456",
  });
  expect(network.of("POST /webapi/sessions/web")[0]?.headers.get("x-csrf-token")).toBe("c".repeat(64));
  expect(network.of("GET /v1/resources/node")[0]?.headers.get("authorization")).toBe("Bearer token-1");
});

it("sends no token where none is needed", async () => {
  network.on("POST /webapi/mfa/login/begin", { totp_challenge: true });
  open("/login");
  await typePassword();
  await screen.findByLabelText("Six-digit code");
  for (const asked of network.asked) expect(asked.headers.has("authorization")).toBe(false);
});

it("stays at the code after a wrong one, and empties it", async () => {
  network
    .on("POST /webapi/mfa/login/begin", { totp_challenge: true })
    .on("POST /webapi/sessions/web", FAILED);
  open("/login");
  const person = await typePassword();
  const code = await screen.findByLabelText("Six-digit code");
  await person.type(code, "000000");
  await person.click(screen.getByRole("button", { name: "Log in" }));
  expect((await screen.findByRole("alert")).textContent).toContain("password or second factor is wrong");
  expect(code).toHaveProperty("value", "");
  await person.click(screen.getByRole("button", { name: "Not alice? Start again" }));
  expect(screen.getByLabelText("Password")).toHaveProperty("value", "");
});

it("needs no second step where the cluster asks for none", async () => {
  network
    .on("POST /webapi/mfa/login/begin", {})
    .on("POST /webapi/sessions/web", granted())
    .on("GET /v1/resources/node", NONE);
  open("/login");
  await typePassword();
  await screen.findByRole("heading", { name: "Servers", level: 1 });
});

it.each([
  [429, "limit_exceeded", "Too many attempts"],
  [503, "unavailable", "busy or starting"],
  [500, "error", "some detail"],
])("tells of status %d in words", async (status, code, words) => {
  network.on("POST /webapi/mfa/login/begin", () => refused(status, code, "some detail"));
  open("/login");
  await typePassword();
  expect((await screen.findByRole("alert")).textContent).toContain(words);
});

it("tells of errors in Korean too", async () => {
  chooseLanguage("ko");
  network.on("GET /webapi/ping", () => Promise.reject(new TypeError("network")));
  open("/login");
  expect((await screen.findByRole("alert")).textContent).toContain("클러스터에 연결할 수 없습니다");
});

it("asks an absent cluster again", async () => {
  let answers = 0;
  network.on("GET /webapi/ping", () => {
    if (answers++ === 0) throw new TypeError("network");
    return json(200, PING);
  });
  open("/login");
  await userEvent.click(await screen.findByRole("button", { name: "Try again" }));
  await screen.findByRole("heading", { name: "Log in to alpha.example" });
});

it("shows the message of the day first", async () => {
  network
    .on("GET /webapi/ping", { ...PING, auth: { ...PING.auth, has_motd: true } })
    .on("GET /webapi/motd", { text: "Authorised use only" });
  open("/login");
  await screen.findByText("Authorised use only");
  await userEvent.click(screen.getByRole("button", { name: "I have read this" }));
  screen.getByLabelText("User name");
});

it("says where passkeys work when this is another address", async () => {
  vi.stubGlobal("PublicKeyCredential", { parseCreationOptionsFromJSON: () => ({}) });
  network.on("GET /webapi/ping", { ...PING, auth: { ...PING.auth, webauthn: { rp_id: "tele.example" } } });
  open("/login");
  await screen.findByText(/Passkeys of this cluster work at tele.example only/);
  expect(screen.queryByRole("button", { name: "Log in with a passkey" })).toBeNull();
});

it("tells that a passkey was not used", async () => {
  vi.stubGlobal("PublicKeyCredential", {
    parseCreationOptionsFromJSON: () => ({}),
    parseRequestOptionsFromJSON: () => ({}),
  });
  vi.stubGlobal("navigator", {
    ...navigator,
    language: "en",
    credentials: { get: () => Promise.reject(new DOMException("cancelled", "NotAllowedError")) },
  });
  network.on("POST /webapi/mfa/login/begin", { webauthn_challenge: { publicKey: {} } });
  open("/login");
  await userEvent.click(await screen.findByRole("button", { name: "Log in with a passkey" }));
  expect((await screen.findByRole("alert")).textContent).toContain("was not used");
  await waitFor(() =>
    expect(screen.getByRole("button", { name: "Log in with a passkey" })).toHaveProperty("disabled", false),
  );
});

it("offers the providers, and comes back to where it was led from", async () => {
  const auth = { ...PING.auth, connectors: [{ name: "company", display: "Company" }] };
  network.on("GET /webapi/ping", { ...PING, auth });
  open("/login?next=%2Fservers%3Fsearch%3Dpay");
  const link = await screen.findByRole("link", { name: "Log in with Company" });
  expect(link.getAttribute("href")).toBe(
    "/webapi/oidc/login/web?connector_id=company&redirect_url=%2Fweb%2Fservers%3Fsearch%3Dpay",
  );
});
