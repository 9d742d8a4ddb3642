/** Where to go after the login: a path inside this application, whatever was asked for. */
export function safeNext(asked: string | null): string {
  const fallback = "/servers";
  if (
    !asked ||
    !/^\/[A-Za-z0-9/_.~%-]*$/.test(asked) ||
    asked.startsWith("//") ||
    asked.startsWith("/login")
  ) {
    return fallback;
  }
  return asked;
}
