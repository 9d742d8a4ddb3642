import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { useSearchParams } from "react-router";
import { call } from "../api/call";
import type { ServerPage, ServerResource } from "../api/types";
import { Button, Command, INPUT } from "../parts/controls";
import { CrossIcon, SearchIcon, ServersIcon } from "../parts/icons";
import { Page } from "../parts/Page";
import { Problem } from "../parts/Problem";
import { WaitingRows } from "../parts/Waiting";
import { useSession } from "../session";
import { useWords } from "../words";
import { Connect } from "./Connect";
import { type Row, ServerTable } from "./ServerTable";

const PAGE = 50;
const TYPING_PAUSE = 200;
const STALE = 30_000;

interface Criteria {
  search: string;
  labels: string[];
}

interface Found {
  rows: Row[];
  next: string;
  total: number;
}

function path({ search, labels }: Criteria, start: string): string {
  const query = new URLSearchParams({ limit: String(PAGE), sort: "hostname", with_logins: "true" });
  if (search) query.set("search", search);
  if (labels.length) query.set("labels", JSON.stringify(Object.fromEntries(labels.map(pair))));
  if (start) query.set("start", start);
  return `/v1/resources/node?${query}`;
}

function pair(label: string): [string, string] {
  const cut = label.indexOf("=");
  return [label.slice(0, cut), label.slice(cut + 1)];
}

async function ask(criteria: Criteria, start = ""): Promise<Found> {
  const page = await call<ServerPage>("GET", path(criteria, start));
  const rows = (page.items ?? []).map((server: ServerResource, index) => ({
    server,
    logins: page.logins?.[index] ?? [],
  }));
  return { rows, next: page.next_start ?? "", total: page.total ?? rows.length };
}

/** Servers the person may reach, searched by the auth service, a page at a time. What is searched is in the address. */
export function Servers() {
  const { t } = useWords();
  const [query, setQuery] = useSearchParams();
  const search = query.get("search") ?? "";
  const labels = query.getAll("label").filter((label) => label.includes("="));
  const [typed, setTyped] = useState(search);
  const [found, setFound] = useState<Found | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [chosen, setChosen] = useState<Row | null>(null);
  const asked = useRef({ at: 0, number: 0 });
  const criteria = JSON.stringify({ search, labels });
  const { state } = useSession();
  const assumed = state.kind === "in" ? state.assumed.requests.join() : "";

  const load = useCallback(() => {
    const number = ++asked.current.number;
    asked.current.at = Date.now();
    ask(JSON.parse(criteria) as Criteria)
      .then((answer) => {
        if (number !== asked.current.number) return;
        setFound(answer);
        setError(null);
      })
      .catch((problem) => number === asked.current.number && setError(problem));
  }, [criteria]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: other servers are reached with what was taken on or dropped
  useEffect(load, [load, assumed]);

  useEffect(() => {
    const look = () => {
      if (!document.hidden && Date.now() - asked.current.at > STALE) load();
    };
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [load]);

  function put(words: string, wanted: string[]) {
    const next = new URLSearchParams();
    if (words) next.set("search", words);
    for (const label of wanted) next.append("label", label);
    setQuery(next, { replace: true });
  }

  // biome-ignore lint/correctness/useExhaustiveDependencies: only typing starts the pause
  useEffect(() => {
    const words = typed.trim();
    if (words === search) return;
    const here = window.location.pathname;
    const timer = window.setTimeout(() => {
      // the address changes before a slow machine has drawn the page that the person is going to
      if (window.location.pathname === here) put(words, labels);
    }, TYPING_PAUSE);
    return () => window.clearTimeout(timer);
  }, [typed]);

  async function more() {
    if (found === null) return;
    try {
      const page = await ask(JSON.parse(criteria) as Criteria, found.next);
      setFound({ ...page, rows: [...found.rows, ...page.rows] });
    } catch (problem) {
      setError(problem);
    }
  }

  function clear() {
    setTyped("");
    put("", []);
  }

  return (
    <Page
      title={t("servers.title")}
      aside={
        <p role="status" className="text-sm text-soft">
          {found ? t("servers.found", { count: found.total }) : ""}
        </p>
      }
    >
      <div className="flex flex-col gap-3">
        <div className="relative">
          <SearchIcon className="pointer-events-none absolute top-2.5 left-3 size-5 text-soft" />
          <input
            type="search"
            aria-label={t("servers.search")}
            placeholder={t("servers.search")}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            className={`${INPUT} pl-10`}
          />
        </div>
        {labels.length ? (
          <ul aria-label={t("servers.filters")} className="flex flex-wrap gap-1.5">
            {labels.map((label) => (
              <li key={label}>
                <button
                  type="button"
                  aria-label={t("servers.drop", { label })}
                  onClick={() =>
                    put(
                      search,
                      labels.filter((other) => other !== label),
                    )
                  }
                  className="flex items-center gap-1 rounded-md bg-tint py-1 pr-1 pl-2 font-mono text-tint-ink text-xs hover:bg-well"
                >
                  {label}
                  <CrossIcon className="size-4" />
                </button>
              </li>
            ))}
          </ul>
        ) : null}
      </div>
      <Problem error={error} />
      {found === null && !error ? <WaitingRows count={4} /> : null}
      {found?.rows.length === 0 ? (
        search || labels.length ? (
          <Nothing title={t("servers.none")} text={t("servers.noneText")}>
            <Button look="plain" onClick={clear}>
              {t("servers.clear")}
            </Button>
          </Nothing>
        ) : (
          <Nothing title={t("servers.empty")} text={t("servers.emptyText")}>
            <Command text="tctl nodes add" label={t("servers.copyAdd")} />
          </Nothing>
        )
      ) : null}
      {found?.rows.length ? (
        <ServerTable
          rows={found.rows}
          connect={setChosen}
          narrow={(label) => labels.includes(label) || put(search, [...labels, label])}
        />
      ) : null}
      {found?.next ? (
        <Button look="plain" className="self-center" onClick={() => void more()}>
          {t("servers.more")}
        </Button>
      ) : null}
      {chosen ? <Connect row={chosen} close={() => setChosen(null)} /> : null}
    </Page>
  );
}

function Nothing(props: { title: string; text: string; children: ReactNode }) {
  return (
    <section className="flex flex-col items-center gap-4 rounded-xl border border-edge/50 border-dashed px-6 py-14 text-center">
      <span className="flex size-12 items-center justify-center rounded-full bg-tint text-tint-ink">
        <ServersIcon className="size-6" />
      </span>
      <div className="flex max-w-md flex-col gap-1.5">
        <h2 className="font-semibold">{props.title}</h2>
        <p className="text-balance text-sm text-soft">{props.text}</p>
      </div>
      {props.children}
    </section>
  );
}
