import type { ServerResource } from "../api/types";
import { Button } from "../parts/controls";
import { TunnelIcon } from "../parts/icons";
import { useWords } from "../words";

export interface Row {
  server: ServerResource;
  logins: string[];
}

const CELL = "px-4 py-3 text-left lg:px-5";

export function nameOf(server: ServerResource): string {
  return server.spec?.hostname || server.metadata.name;
}

/** Labels a person sees: fixed ones and those that commands made, without the product's own. */
export function labelsOf(server: ServerResource): string[] {
  const made = Object.entries(server.spec?.cmd_labels ?? {}).map(
    ([key, { result }]) => `${key}=${result ?? ""}`,
  );
  const fixed = Object.entries(server.metadata.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return [...fixed, ...made].filter((label) => !/^teleport\.(internal|hidden)\//.test(label)).sort();
}

/** On a small screen the labels stand under the name. */
export function ServerTable(props: {
  rows: Row[];
  connect: (row: Row) => void;
  narrow: (label: string) => void;
}) {
  const { t } = useWords();
  return (
    <div className="overflow-hidden rounded-xl border border-line bg-card shadow-card">
      <table className="w-full table-fixed text-sm md:table-auto">
        <thead className="border-line border-b text-soft text-xs">
          <tr>
            <th scope="col" className={`${CELL} font-medium`}>
              {t("servers.name")}
            </th>
            <th scope="col" className={`${CELL} hidden font-medium md:table-cell`}>
              {t("servers.labels")}
            </th>
            <th scope="col" className={`${CELL} w-30 md:w-px`}>
              <span className="sr-only">{t("servers.action")}</span>
            </th>
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {props.rows.map((row) => (
            <tr key={row.server.metadata.name} className="transition-colors hover:bg-well/50">
              <th scope="row" className={`${CELL} font-normal`}>
                <span className="block break-all font-semibold" title={row.server.metadata.name}>
                  {nameOf(row.server)}
                </span>
                <Address server={row.server} />
                <div className="mt-2 md:hidden">
                  <Labels labels={labelsOf(row.server)} narrow={props.narrow} />
                </div>
              </th>
              <td className={`${CELL} hidden md:table-cell`}>
                <Labels labels={labelsOf(row.server)} narrow={props.narrow} />
              </td>
              <td className={`${CELL} text-right align-top md:align-middle`}>
                <Button
                  look="plain"
                  size="small"
                  aria-label={t("servers.connectTo", { name: nameOf(row.server) })}
                  onClick={() => props.connect(row)}
                >
                  {t("servers.connect")}
                </Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Address({ server }: { server: ServerResource }) {
  const { t } = useWords();
  if (server.spec?.use_tunnel || !server.spec?.addr) {
    return (
      <span className="mt-0.5 flex items-center gap-1 text-soft text-xs">
        <TunnelIcon className="size-3.5" />
        {t("servers.tunnel")}
      </span>
    );
  }
  return (
    <span className="mt-0.5 block text-soft text-xs">
      <span className="font-mono">{server.spec.addr}</span>
      {server.sub_kind?.startsWith("openssh") ? ` · ${t("servers.agentless")}` : null}
    </span>
  );
}

function Labels({ labels, narrow }: { labels: string[]; narrow: (label: string) => void }) {
  const { t } = useWords();
  return (
    <ul className="flex flex-wrap gap-1.5">
      {labels.map((label) => (
        <li key={label} className="min-w-0">
          <button
            type="button"
            title={t("servers.only", { label })}
            onClick={() => narrow(label)}
            className="max-w-full truncate rounded-md bg-well px-2 py-0.5 font-mono text-xs hover:bg-tint hover:text-tint-ink"
          >
            {label}
          </button>
        </li>
      ))}
    </ul>
  );
}
