import { useCallback, useEffect, useState } from "react";
import { Link } from "react-router";
import { call } from "../api/call";
import type { AccessList, AccessListPage, Standing } from "../api/types";
import { Button } from "../parts/controls";
import { Page } from "../parts/Page";
import { Problem } from "../parts/Problem";
import { WaitingRows } from "../parts/Waiting";
import { useWords } from "../words";
import { DueMark, Standings } from "./Standings";

const PAGE = 50;

interface Row {
  list: AccessList;
  standing: Standing;
}

async function read(start: string): Promise<{ rows: Row[]; next: string }> {
  const asked = new URLSearchParams({ limit: String(PAGE), ...(start ? { start } : {}) });
  const page = await call<AccessListPage>("GET", `/v1/accesslists?${asked}`);
  const rows = (page.lists ?? []).map((list, index) => ({ list, standing: page.standings?.[index] ?? {} }));
  return { rows, next: page.next_start ?? "" };
}

/** The lists that the person belongs to, owns, or may see anyway; those to review stand out. */
export function AccessLists() {
  const { t } = useWords();
  const [rows, setRows] = useState<Row[] | null>(null);
  const [next, setNext] = useState("");
  const [error, setError] = useState<unknown>(null);

  const load = useCallback((start: string) => {
    read(start)
      .then((page) => {
        setError(null);
        setRows((old) => (start ? [...(old ?? []), ...page.rows] : page.rows));
        setNext(page.next);
      })
      .catch(setError);
  }, []);
  useEffect(() => load(""), [load]);

  return (
    <Page title={t("lists.title")}>
      <p className="max-w-3xl text-pretty text-sm text-soft">{t("lists.text")}</p>
      <Problem error={error} />
      {rows === null && !error ? <WaitingRows count={3} /> : null}
      {rows?.length === 0 ? <p className="text-sm">{t("lists.none")}</p> : null}
      {rows?.length ? (
        <ul className="max-w-3xl divide-y divide-line overflow-hidden rounded-xl border border-line bg-card shadow-card">
          {rows.map(({ list, standing }) => (
            <li
              key={list.metadata.name}
              className="relative flex flex-col gap-1.5 px-5 py-4 transition-colors hover:bg-well/50 has-focus-visible:outline-2 has-focus-visible:outline-link has-focus-visible:-outline-offset-2"
            >
              <div className="flex flex-wrap items-center gap-2">
                <Link
                  to={`/lists/${encodeURIComponent(list.metadata.name)}`}
                  className="min-w-0 break-words font-semibold text-sm outline-none after:absolute after:inset-0"
                >
                  {list.spec.title}
                </Link>
                <Standings standing={standing} />
                {standing.runs ? <DueMark list={list} standing={standing} /> : null}
              </div>
              {list.spec.description ? (
                <p className="break-words text-soft text-sm">{list.spec.description}</p>
              ) : null}
            </li>
          ))}
        </ul>
      ) : null}
      {next ? (
        <Button look="plain" className="self-start" onClick={() => load(next)}>
          {t("servers.more")}
        </Button>
      ) : null}
    </Page>
  );
}
