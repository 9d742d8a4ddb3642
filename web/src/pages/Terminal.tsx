import { FitAddon } from "@xterm/addon-fit";
import { Terminal as Screen } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useCallback, useEffect, useRef, useState } from "react";
import { useParams } from "react-router";
import { touch } from "../activity";
import { ApiError, call } from "../api/call";
import type { Proof } from "../api/types";
import { Button } from "../parts/controls";
import { Page } from "../parts/Page";
import { Note, Problem } from "../parts/Problem";
import { Prove } from "../parts/Prove";
import { type News, TerminalLink } from "../terminal/link";
import "../terminal/sheets";
import { useWords } from "../words";

/** Before a session: is a second factor needed, is one being proved, may it begin; then what the proxy says of it. */
type Stage =
  | { kind: "asking" }
  | { kind: "proving" }
  | { kind: "opening"; proof?: Proof }
  | { kind: "running"; name: string }
  | { kind: "over"; news: News };

const COLOURS = { background: "#0c0e14", foreground: "#e9ebf2", cursor: "#c3c1ff" };

/** A session on a server in the browser. It is recorded and audited as every session is. */
export default function Terminal() {
  const { t } = useWords();
  const { server = "", login = "" } = useParams();
  const [stage, setStage] = useState<Stage>({ kind: "asking" });
  const [error, setError] = useState<unknown>(null);
  const [name, setName] = useState("");
  const place = useRef<HTMLDivElement>(null);

  const ask = useCallback(() => {
    setError(null);
    setStage({ kind: "asking" });
    call<{ required: boolean }>("POST", "/v1/mfa/required", { kind: "node", target: server, login })
      .then(({ required }) => setStage({ kind: required ? "proving" : "opening" }))
      .catch(setError);
  }, [server, login]);

  useEffect(ask, [ask]);

  const tell = useCallback((news: News) => {
    if (news.state === "open") {
      setName(news.name);
      setStage({ kind: "running", name: news.name });
      return;
    }
    setStage({ kind: "over", news });
    if (news.state === "failed") setError(new ApiError(400, news.code, news.message, news.eventId));
  }, []);

  const wanted = stage.kind === "opening" ? stage : null;
  const session = useRef<(() => void) | null>(null);

  useEffect(() => {
    if (wanted === null || place.current === null) return;
    session.current?.();
    session.current = open(
      place.current,
      { server, login, ...(wanted.proof ? { mfa: wanted.proof } : {}) },
      tell,
    );
  }, [wanted, server, login, tell]);

  useEffect(() => () => session.current?.(), []);

  return (
    <Page
      title={name ? t("terminal.on", { login, name }) : t("terminal.title")}
      aside={
        <p role="status" className="text-sm text-soft">
          {t(`terminal.${stage.kind}`)}
        </p>
      }
    >
      <Problem error={error} />
      {stage.kind === "proving" ? (
        <div className="flex max-w-md flex-col gap-4 rounded-xl border border-line bg-card p-5 shadow-card">
          <p className="text-sm">{t("terminal.mfa")}</p>
          <Prove scope="session" proved={async (proof) => setStage({ kind: "opening", proof })} />
        </div>
      ) : null}
      {stage.kind === "over" && stage.news.state === "ended" ? <Note>{ending(stage.news, t)}</Note> : null}
      {stage.kind === "over" && stage.news.state === "lost" ? <Note>{t("terminal.lost")}</Note> : null}
      {stage.kind === "over" || (stage.kind === "asking" && error) ? (
        <Button look="plain" className="self-start" onClick={ask}>
          {t("terminal.again")}
        </Button>
      ) : null}
      <section
        ref={place}
        aria-label={t("terminal.screen")}
        className={`h-[calc(100dvh-11rem)] min-h-60 overflow-hidden rounded-xl bg-[#0c0e14] p-2 ${stage.kind === "asking" || stage.kind === "proving" ? "hidden" : ""}`}
      />
    </Page>
  );
}

function ending(
  news: { status: number | null; reason: string },
  t: ReturnType<typeof useWords>["t"],
): string {
  if (news.reason) return t("terminal.endedBy", { reason: news.reason });
  return t("terminal.endedWith", { status: news.status ?? 0 });
}

/** Draws a terminal into `place` and connects it; the answer takes both away again. */
function open(
  place: HTMLElement,
  wanted: { server: string; login: string; mfa?: Proof },
  tell: (news: News) => void,
): () => void {
  place.replaceChildren();
  const screen = new Screen({
    fontFamily: 'ui-monospace, "SFMono-Regular", "Cascadia Mono", "DejaVu Sans Mono", "D2Coding", monospace',
    fontSize: 14,
    lineHeight: 1.2,
    scrollback: 5000,
    theme: COLOURS,
    screenReaderMode: true,
  });
  const fit = new FitAddon();
  screen.loadAddon(fit);
  screen.open(place);
  fit.fit();
  const encoder = new TextEncoder();
  const link = new TerminalLink(
    { ...wanted, columns: screen.cols, rows: screen.rows },
    (data) => screen.write(data),
    (news) => {
      if (news.state === "open") screen.focus();
      else screen.options.disableStdin = true;
      tell(news);
    },
  );
  screen.onData((text) => {
    touch();
    link.type(encoder.encode(text));
  });
  screen.onBinary((text) => link.type(Uint8Array.from(text, (each) => each.charCodeAt(0))));
  screen.onResize(({ cols, rows }) => link.resize(cols, rows));
  const watcher = new ResizeObserver(() => fit.fit());
  watcher.observe(place);
  return () => {
    watcher.disconnect();
    link.close();
    screen.dispose();
  };
}
