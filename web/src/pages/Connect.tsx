import { useId, useState } from "react";
import { buttonLook, Command, INPUT } from "../parts/controls";
import { Dialog } from "../parts/Dialog";
import { Note } from "../parts/Problem";
import { useSession } from "../session";
import { useWords } from "../words";
import { nameOf, type Row } from "./ServerTable";
import { quoted } from "./shell";

/** How to reach a server from the person's own computer, with the login they choose. */
export function Connect({ row, close }: { row: Row; close: () => void }) {
  const { t } = useWords();
  const { state } = useSession();
  const id = useId();
  const [login, setLogin] = useState(row.logins[0] ?? "");
  const name = nameOf(row.server);
  const user = state.kind === "in" ? state.username : "";
  const proxy = `${window.location.hostname}:${window.location.port || "443"}`;
  return (
    <Dialog title={t("servers.connectTo", { name })} close={close}>
      {login ? (
        <>
          <div className="flex flex-col gap-1.5">
            <label htmlFor={id} className="font-medium text-sm">
              {t("servers.login")}
            </label>
            <select
              id={id}
              value={login}
              onChange={(event) => setLogin(event.target.value)}
              className={INPUT}
            >
              {row.logins.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </div>
          <a
            href={`/web/terminal/${encodeURIComponent(row.server.metadata.name)}/${encodeURIComponent(login)}`}
            target="_blank"
            rel="noopener"
            onClick={close}
            className={buttonLook()}
          >
            {t("servers.openTerminal")}
          </a>
          <p className="border-line border-t pt-4 text-sm text-soft">{t("servers.orTerminal")}</p>
          <div className="flex flex-col gap-1.5">
            <p className="font-medium text-sm">{t("servers.logInFirst")}</p>
            <Command
              text={`tsh login --proxy=${quoted(proxy)} --user=${quoted(user)}`}
              label={t("servers.copyLogin")}
            />
          </div>
          <div className="flex flex-col gap-1.5">
            <p className="font-medium text-sm">{t("servers.thenConnect")}</p>
            <Command text={`tsh ssh ${quoted(`${login}@${name}`)}`} label={t("servers.copyConnect")} />
          </div>
        </>
      ) : (
        <Note>{t("servers.noLogins")}</Note>
      )}
    </Dialog>
  );
}
