import { cleanup, render } from "@testing-library/react";
import { BrowserRouter } from "react-router";
import { afterEach, beforeEach, vi } from "vitest";
import { App } from "../src/App";
import { setBearer } from "../src/api/call";
import { SessionProvider } from "../src/session";
import { chooseLanguage } from "../src/words";

/** One request that reached the network. */
export interface Asked {
  method: string;
  path: string;
  headers: Headers;
  body: unknown;
}

type Answer = (asked: Asked) => Response | Promise<Response>;

/** Calls by `METHOD path` (without the query), and what was asked so far. */
export class Network {
  readonly asked: Asked[] = [];
  private readonly answers = new Map<string, Answer>();

  on(call: string, answer: Answer | object): this {
    const made = typeof answer === "function" ? (answer as Answer) : () => json(200, answer);
    this.answers.set(call, made);
    return this;
  }

  readonly fetch = async (path: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const asked = {
      method: init.method ?? "GET",
      path: String(path),
      headers: new Headers(init.headers),
      body: init.body ? JSON.parse(String(init.body)) : undefined,
    };
    this.asked.push(asked);
    const answer = this.answers.get(`${asked.method} ${asked.path.split("?")[0]}`);
    if (answer === undefined)
      return refused(404, "not_found", `nothing answers ${asked.method} ${asked.path}`);
    return answer(asked);
  };

  of(call: string): Asked[] {
    return this.asked.filter((each) => `${each.method} ${each.path.split("?")[0]}` === call);
  }
}

export function json(status: number, body: object, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}

export function refused(status: number, code: string, message: string, headers = {}): Response {
  return json(status, { error: { code, message, event_id: status === 403 ? "event-1" : "" } }, headers);
}

export const sessionRefused = () =>
  refused(401, "not_authenticated", "the session has ended", { "www-authenticate": "Bearer" });

export const PING = {
  cluster_name: "alpha.example",
  server_version: "18.0.0",
  auth: { allow_passwordless: true, has_motd: false, webauthn: { rp_id: "localhost" } },
};

export function granted(token = "token-1", changes: object = {}) {
  return {
    type: "Bearer",
    token,
    username: "alice",
    expires_in: 600,
    sessionExpires: new Date(Date.now() + 12 * 3600_000).toISOString(),
    sessionInactiveTimeout: 0,
    ...changes,
  };
}

export let network: Network;

/** The whole application at an address. */
export function open(path: string): void {
  window.history.replaceState(null, "", `/web${path}`);
  render(
    <BrowserRouter basename="/web">
      <SessionProvider>
        <App />
      </SessionProvider>
    </BrowserRouter>,
  );
}

/** As if this browser had logged in before. */
export function remember(): void {
  window.localStorage.setItem("session", "1");
}

beforeEach(() => {
  window.localStorage.clear();
  chooseLanguage("en");
  setBearer("");
  // biome-ignore lint/suspicious/noDocumentCookie: jsdom has no other way to set what the proxy sets
  document.cookie = `__Host-csrf=${"c".repeat(64)}; Secure; Path=/`;
  network = new Network().on("GET /webapi/ping", PING);
  vi.stubGlobal("fetch", network.fetch);
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});
