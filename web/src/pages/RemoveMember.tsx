import { useState } from "react";
import { call } from "../api/call";
import type { Member } from "../api/types";
import { Button } from "../parts/controls";
import { Dialog } from "../parts/Dialog";
import { Problem } from "../parts/Problem";
import { useWords } from "../words";
import { pathOf } from "./list";

/** Said twice, as it ends what the member is doing with what the list gave. */
export function RemoveMember(props: {
  list: string;
  member: Member;
  close: () => void;
  removed: () => void;
}) {
  const { t } = useWords();
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const { name } = props.member.spec;

  async function remove() {
    setBusy(true);
    setError(null);
    try {
      await call("DELETE", `${pathOf(props.list)}/members/${encodeURIComponent(name)}`);
      props.removed();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  }

  return (
    <Dialog title={t("lists.removeTitle", { member: name })} close={props.close}>
      <p className="text-sm text-soft">{t("lists.removeText")}</p>
      <Problem error={error} />
      <div className="flex flex-wrap gap-3">
        <Button look="danger" disabled={isBusy} onClick={() => void remove()}>
          {t("account.remove")}
        </Button>
        <Button look="plain" onClick={props.close}>
          {t("cancel")}
        </Button>
      </div>
    </Dialog>
  );
}
