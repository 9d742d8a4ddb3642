/** One call of the API from the browser. The cookie proves the session, the bearer token that this page asks. */

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly eventId: string,
  ) {
    super(message);
  }
}

let bearer = "";

export function setBearer(token: string): void {
  bearer = token;
}

function csrfToken(): string {
  const found = /(?:^|; )__Host-csrf=([0-9a-f]+)/.exec(document.cookie);
  return found?.[1] ?? "";
}

export async function call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) init.body = JSON.stringify(body);
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError(0, "unavailable", "The proxy cannot be reached. Check the network and try again.", "");
  }
  const text = await response.text();
  const answer = text ? parse(text) : {};
  if (!response.ok) throw failure(response.status, answer);
  return answer as Answer;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function failure(status: number, answer: unknown): ApiError {
  const error = (answer as { error?: { code?: string; message?: string; event_id?: string } }).error ?? {};
  return new ApiError(
    status,
    error.code ?? "error",
    error.message ?? `The proxy answered with status ${status}.`,
    error.event_id ?? "",
  );
}
