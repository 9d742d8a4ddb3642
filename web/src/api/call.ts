/** One call of the API from the browser. The cookie proves the session, the bearer token that this page asks. */

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly eventId: string,
    /** The proxy refused the session or the token of this page; nothing was asked of auth. */
    readonly isSessionRefused = false,
  ) {
    super(message);
  }
}

let bearer = "";
let refresh: (() => Promise<boolean>) | null = null;

export function setBearer(token: string): void {
  bearer = token;
}

/** What proves this page, for a way that is no call. */
export function currentBearer(): string {
  return bearer;
}

/** How to get a fresh bearer token when one was refused: another page may have renewed it, or it is too old. */
export function setRefresh(how: (() => Promise<boolean>) | null): void {
  refresh = how;
}

function csrfToken(): string {
  const found = /(?:^|; )__Host-csrf=([0-9a-f]+)/.exec(document.cookie);
  return found?.[1] ?? "";
}

/** Throws ApiError; its status is 0 when the proxy cannot be reached. */
export async function call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const used = bearer;
  try {
    return await send<Answer>(method, path, body);
  } catch (problem) {
    if (!(problem instanceof ApiError) || !problem.isSessionRefused) throw problem;
    if (!path.startsWith("/v1/") || refresh === null) throw problem;
    if (used === bearer && !(await refresh())) throw problem;
    return await send<Answer>(method, path, body);
  }
}

async function send<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (bearer && path.startsWith("/v1/")) headers.Authorization = `Bearer ${bearer}`;
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) init.body = JSON.stringify(body);
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, init);
    text = await response.text();
  } catch {
    throw new ApiError(0, "unreachable", "the proxy cannot be reached", "");
  }
  const answer = parse(text);
  if (!response.ok) throw failure(response, answer);
  return answer as Answer;
}

function parse(text: string): unknown {
  if (!text) return {};
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function failure(response: Response, answer: unknown): ApiError {
  const error = (answer as { error?: { code?: string; message?: string; event_id?: string } }).error ?? {};
  return new ApiError(
    response.status,
    error.code ?? "error",
    error.message ?? `The proxy answered with status ${response.status}.`,
    error.event_id ?? "",
    response.headers.get("www-authenticate")?.startsWith("Bearer") ?? false,
  );
}
