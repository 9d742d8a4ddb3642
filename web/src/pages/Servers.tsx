import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { call } from "../api/call";
import type { ServerPage, ServerResource } from "../api/types";
import { Button } from "../parts/controls";
import { Problem } from "../parts/Problem";
import { Waiting } from "../parts/Waiting";

const PAGE = 50;
const TYPING_PAUSE = 200;

interface Row {
  server: ServerResource;
  logins: string[];
}

function path(search: string, start: string): string {
  const query = new URLSearchParams({ limit: String(PAGE), sort: "hostname", with_logins: "true" });
  if (search) query.set("search", search);
  if (start) query.set("start", start);
  return `/v1/resources/node?${query}`;
}

function rows(page: ServerPage): Row[] {
  return (page.items ?? []).map((server, index) => ({ server, logins: page.logins?.[index] ?? [] }));
}

/** Servers the person may reach, searched by the auth service, a page at a time. */
export function Servers() {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [search, setSearch] = useState("");
  const [found, setFound] = useState<Row[] | null>(null);
  const [next, setNext] = useState("");
  const [total, setTotal] = useState(0);
  const [error, setError] = useState<unknown>(null);

  useEffect(() => {
    const timer = window.setTimeout(() => setSearch(typed.trim()), TYPING_PAUSE);
    return () => window.clearTimeout(timer);
  }, [typed]);

  useEffect(() => {
    let current = true;
    call<ServerPage>("GET", path(search, ""))
      .then((page) => {
        if (!current) return;
        setFound(rows(page));
        setNext(page.next_start ?? "");
        setTotal(page.total ?? 0);
        setError(null);
      })
      .catch((problem) => current && setError(problem));
    return () => {
      current = false;
    };
  }, [search]);

  async function more() {
    try {
      const page = await call<ServerPage>("GET", path(search, next));
      setFound([...(found ?? []), ...rows(page)]);
      setNext(page.next_start ?? "");
    } catch (problem) {
      setError(problem);
    }
  }

  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-end justify-between gap-3">
        <h1 className="font-semibold text-2xl tracking-tight">{t("servers.title")}</h1>
        <p role="status" className="text-slate-600 text-sm dark:text-slate-400">
          {found ? t("servers.found", { count: total }) : ""}
        </p>
      </div>
      <input
        type="search"
        aria-label={t("servers.search")}
        placeholder={t("servers.search")}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        className="min-h-10 rounded-lg border border-slate-400 bg-white px-3 dark:border-slate-500 dark:bg-slate-900"
      />
      <Problem error={error} />
      {found === null && !error ? <Waiting /> : null}
      {found?.length === 0 ? search ? <p>{t("servers.none")}</p> : <Empty /> : null}
      {found?.length ? <Table found={found} /> : null}
      {next ? (
        <Button look="plain" onClick={() => void more()}>
          {t("servers.more")}
        </Button>
      ) : null}
    </div>
  );
}

function Empty() {
  const { t } = useTranslation();
  return (
    <section className="rounded-2xl border border-slate-400 border-dashed p-8">
      <h2 className="font-semibold">{t("servers.empty")}</h2>
      <p className="my-3">{t("servers.emptyText")}</p>
      <code className="select-all">tctl nodes add</code>
    </section>
  );
}

const CELL = "px-4 py-3 text-left align-top";

function Table({ found }: { found: Row[] }) {
  const { t } = useTranslation();
  return (
    <div className="overflow-x-auto rounded-xl border border-slate-200 bg-white dark:border-slate-800 dark:bg-slate-900">
      <table className="w-full text-sm">
        <thead className="border-slate-200 border-b text-slate-600 dark:border-slate-800 dark:text-slate-300">
          <tr>
            {(["name", "address", "labels", "connect"] as const).map((column) => (
              <th key={column} scope="col" className={`${CELL} font-medium`}>
                {t(`servers.${column}`)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-slate-200 dark:divide-slate-800">
          {found.map((row) => (
            <Server key={row.server.metadata.name} row={row} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function labelsOf(server: ServerResource): [string, string][] {
  const commands = Object.entries(server.spec?.cmd_labels ?? {}).map(
    ([key, label]) => [key, label.result ?? ""] as [string, string],
  );
  const fixed = Object.entries(server.metadata.labels ?? {});
  return [...fixed, ...commands].filter(([key]) => !/^teleport\.(internal|hidden)\//.test(key)).sort();
}

function Server({ row: { server, logins } }: { row: Row }) {
  const { t } = useTranslation();
  const name = server.spec?.hostname ?? server.metadata.name;
  const address = server.spec?.use_tunnel ? `⟵ ${t("servers.tunnel")}` : (server.spec?.addr ?? "");
  return (
    <tr>
      <th scope="row" className={`${CELL} font-medium`} title={server.metadata.name}>
        {name}
      </th>
      <td className={CELL}>{address}</td>
      <td className={CELL}>
        <ul className="flex flex-wrap gap-1">
          {labelsOf(server).map(([key, value]) => (
            <li key={key} className="rounded-md bg-slate-100 px-2 py-0.5 font-mono text-xs dark:bg-slate-800">
              {key}={value}
            </li>
          ))}
        </ul>
      </td>
      <td className={CELL}>{logins[0] ? <Command name={name} login={logins[0]} /> : null}</td>
    </tr>
  );
}

function Command({ name, login }: { name: string; login: string }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  const command = `tsh ssh ${login}@${name}`;
  async function copy() {
    await navigator.clipboard.writeText(command);
    setCopied(true);
  }
  return (
    <button
      type="button"
      aria-label={t("servers.copy", { name })}
      onClick={() => void copy()}
      className="rounded-md border border-slate-300 px-2 py-1 font-mono text-xs hover:bg-slate-100 dark:border-slate-600 dark:hover:bg-slate-800"
    >
      {copied ? t("servers.copied") : command}
    </button>
  );
}
