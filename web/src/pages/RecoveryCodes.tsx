import { useCallback, useEffect, useState } from "react";
import { call } from "../api/call";
import type { Proof, RecoveryCodesKept } from "../api/types";
import { Codes } from "../parts/Codes";
import { Button } from "../parts/controls";
import { Dialog } from "../parts/Dialog";
import { Panel } from "../parts/Panel";
import { Problem } from "../parts/Problem";
import { Prove } from "../parts/Prove";
import { useWords } from "../words";

/** How many recovery codes are left, and new ones in their place. */
export function RecoveryCodesPanel() {
  const { t, language } = useWords();
  const [kept, setKept] = useState<RecoveryCodesKept | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [isCreating, setCreating] = useState(false);

  const load = useCallback(() => {
    call<RecoveryCodesKept>("GET", "/v1/recovery/codes").then(setKept).catch(setError);
  }, []);
  useEffect(load, [load]);

  function close() {
    setCreating(false);
    load();
  }

  const date = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
  const left = kept?.left ?? 0;
  const when = kept?.created ? date.format(new Date(kept.created)) : "";
  return (
    <Panel
      title={t("recovery.title")}
      text={t("recovery.text")}
      aside={
        <Button look="plain" size="small" onClick={() => setCreating(true)}>
          {t("recovery.create")}
        </Button>
      }
    >
      <Problem error={error} />
      <p className="text-sm" role="status">
        {kept === null ? "" : left === 0 ? t("recovery.none") : t("recovery.left", { count: left, when })}
      </p>
      {isCreating ? <NewCodes hasCodes={left > 0} close={close} /> : null}
    </Panel>
  );
}

function NewCodes({ hasCodes, close }: { hasCodes: boolean; close: () => void }) {
  const { t } = useWords();
  const [codes, setCodes] = useState<string[] | null>(null);

  async function proved(existing: Proof) {
    setCodes((await call<{ codes: string[] }>("POST", "/v1/recovery/codes", { existing })).codes);
  }

  return (
    <Dialog title={t(codes ? "recovery.title" : "account.prove")} close={close}>
      {codes ? (
        <>
          <Codes codes={codes} />
          <Button autoFocus onClick={close}>
            {t("recovery.kept")}
          </Button>
        </>
      ) : (
        <>
          <p className="text-sm text-soft">{t(hasCodes ? "recovery.replaceText" : "recovery.proveText")}</p>
          <Prove scope="account_recovery" proved={proved} />
        </>
      )}
    </Dialog>
  );
}
