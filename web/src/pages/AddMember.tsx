import { type FormEvent, useState } from "react";
import { call } from "../api/call";
import { MAX_REASON } from "../api/request";
import { Button, Choices, Field } from "../parts/controls";
import { Dialog } from "../parts/Dialog";
import { PeopleIcon, PersonIcon } from "../parts/icons";
import { Problem } from "../parts/Problem";
import { useWords } from "../words";
import { endOfDay, pathOf } from "./list";

/** A person, or all members of another list; for good or until a day. */
export function AddMember(props: { list: string; close: () => void; added: (member: string) => void }) {
  const { t } = useWords();
  const [kind, setKind] = useState<"user" | "list">("user");
  const [name, setName] = useState("");
  const [until, setUntil] = useState("");
  const [reason, setReason] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const member = name.trim();
    setBusy(true);
    setError(null);
    try {
      const path = `${pathOf(props.list)}/members/${encodeURIComponent(member)}`;
      await call("PUT", path, { kind, reason, ...(until ? { expires: endOfDay(until) } : {}) });
      props.added(member);
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  }

  return (
    <Dialog title={t("lists.add")} close={props.close}>
      <form className="flex flex-col gap-4" onSubmit={(event) => void submit(event)}>
        <Choices
          legend={t("lists.kind")}
          isLegendShown
          chosen={kind}
          choose={setKind}
          options={[
            { value: "user", label: t("lists.person"), icon: PersonIcon },
            { value: "list", label: t("lists.otherList"), text: t("lists.otherListText"), icon: PeopleIcon },
          ]}
        />
        <Field
          label={t(kind === "user" ? "login.user" : "lists.listName")}
          hint={kind === "list" ? t("lists.listNameHint") : ""}
          autoCapitalize="none"
          spellCheck={false}
          maxLength={255}
          required
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <Field
          label={t("lists.untilDay")}
          hint={t("lists.untilDayHint")}
          type="date"
          value={until}
          onChange={(event) => setUntil(event.target.value)}
        />
        <Field
          label={t("requests.reason")}
          maxLength={MAX_REASON}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
        <Problem error={error} />
        <div>
          <Button type="submit" disabled={isBusy}>
            {t("account.add")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
