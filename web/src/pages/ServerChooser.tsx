import { type KeyboardEvent, useCallback, useEffect, useId, useState } from "react";
import { call } from "../api/call";
import { MAX_RESOURCES } from "../api/request";
import type { ServerPage, ServerResource } from "../api/types";
import { Badge, Button, INPUT } from "../parts/controls";
import { CrossIcon, SearchIcon } from "../parts/icons";
import { Problem } from "../parts/Problem";
import { WaitingRows } from "../parts/Waiting";
import { useWords } from "../words";
import { labelsOf, nameOf } from "./ServerTable";

const PAGE = 20;

/** Servers by their id, with the name that people know them by. */
export type Chosen = ReadonlyMap<string, string>;

interface Row {
  server: ServerResource;
  isBeyond: boolean;
}

interface Found {
  rows: Row[];
  next: string;
  total: number;
  search: string;
}

async function find(search: string, start: string): Promise<Found> {
  const query = new URLSearchParams({ limit: String(PAGE), sort: "hostname" });
  if (search) query.set("search", search);
  if (start) query.set("start", start);
  const page = await call<ServerPage>("GET", `/v1/requestable/node?${query}`);
  const rows = (page.items ?? []).map((server, index) => ({
    server,
    isBeyond: page.requires_request?.[index] ?? true,
  }));
  return { rows, next: page.next_start ?? "", total: page.total ?? rows.length, search };
}

/** Servers to ask for, also those that only a request reaches. Each search is kept in the audit log, so none starts
 * while somebody types. */
export function ServerChooser({ chosen, choose }: { chosen: Chosen; choose: (chosen: Chosen) => void }) {
  const { t } = useWords();
  const id = useId();
  const [words, setWords] = useState("");
  const [found, setFound] = useState<Found | null>(null);
  const [error, setError] = useState<unknown>(null);

  const search = useCallback((wanted: string, old: Found | null = null) => {
    find(wanted, old?.next ?? "")
      .then((answer) => {
        setFound(old ? { ...answer, rows: [...old.rows, ...answer.rows] } : answer);
        setError(null);
      })
      .catch(setError);
  }, []);
  useEffect(() => search(""), [search]);

  function typed(event: KeyboardEvent) {
    if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
    event.preventDefault(); // the form around it is not sent by a search
    search(words.trim());
  }

  function put(server: string, name: string, isChosen: boolean) {
    const next = new Map(chosen);
    if (isChosen) next.set(server, name);
    else next.delete(server);
    choose(next);
  }

  return (
    <fieldset className="flex min-w-0 flex-col gap-3">
      <legend className="mb-1 font-medium text-sm">{t("requests.servers")}</legend>
      <div className="flex gap-2">
        <div className="relative min-w-0 flex-1">
          <SearchIcon className="pointer-events-none absolute top-2.5 left-3 size-5 text-soft" />
          <input
            type="search"
            aria-label={t("servers.search")}
            placeholder={t("servers.search")}
            maxLength={256}
            value={words}
            onChange={(event) => setWords(event.target.value)}
            onKeyDown={typed}
            className={`${INPUT} pl-10`}
          />
        </div>
        <Button look="plain" onClick={() => search(words.trim())}>
          {t("requests.find")}
        </Button>
      </div>
      {chosen.size ? (
        <ul aria-label={t("requests.chosen")} className="flex flex-wrap gap-1.5">
          {[...chosen].map(([server, name]) => (
            <li key={server} className="min-w-0">
              <button
                type="button"
                aria-label={t("requests.unchoose", { name })}
                onClick={() => put(server, name, false)}
                className="flex max-w-full items-center gap-1 rounded-md bg-tint py-1 pr-1 pl-2 font-mono text-tint-ink text-xs hover:bg-well"
              >
                <span className="min-w-0 truncate">{name}</span>
                <CrossIcon className="size-4" />
              </button>
            </li>
          ))}
        </ul>
      ) : null}
      <Problem error={error} />
      {found === null && !error ? <WaitingRows count={2} /> : null}
      <p role="status" className="text-soft text-xs">
        {found ? t("servers.found", { count: found.total }) : ""}
      </p>
      {found?.rows.length ? (
        <ul className="max-h-64 divide-y divide-line overflow-y-auto rounded-lg border border-line">
          {found.rows.map(({ server, isBeyond }) => {
            const { name } = server.metadata;
            const isChosen = chosen.has(name);
            return (
              <li key={name}>
                <label className="flex cursor-pointer items-start gap-3 px-3 py-2.5 text-sm hover:bg-well/50">
                  <input
                    type="checkbox"
                    aria-labelledby={`${id}-${name}`}
                    className="mt-0.5 size-4 shrink-0 accent-link"
                    checked={isChosen}
                    disabled={!isChosen && chosen.size >= MAX_RESOURCES}
                    onChange={(event) => put(name, nameOf(server), event.target.checked)}
                  />
                  <span className="flex min-w-0 flex-col gap-0.5">
                    <span className="flex flex-wrap items-center gap-1.5">
                      <span id={`${id}-${name}`} className="break-all font-medium">
                        {nameOf(server)}
                      </span>
                      {isBeyond ? null : <Badge tone="good">{t("requests.reached")}</Badge>}
                    </span>
                    <span className="break-all font-mono text-soft text-xs">
                      {labelsOf(server).join("  ")}
                    </span>
                  </span>
                </label>
              </li>
            );
          })}
        </ul>
      ) : null}
      {found?.next ? (
        <Button look="plain" size="small" className="self-start" onClick={() => search(found.search, found)}>
          {t("servers.more")}
        </Button>
      ) : null}
    </fieldset>
  );
}
