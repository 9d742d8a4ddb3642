/** Where to go after the login: a path inside this application, whatever was asked for. */
export function safeNext(asked: string | null): string {
  const fallback = "/servers";
  if (!asked || !/^\/(?!\/)[\w/.~%-]*(\?[\w/.~%+=&:*,-]*)?$/.test(asked)) return fallback;
  return /^\/(login|recover|invite|reset)\b/.test(asked) ? fallback : asked;
}
