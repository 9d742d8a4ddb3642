import { type FormEvent, useState } from "react";
import { call } from "../api/call";
import { MAX_REASON } from "../api/request";
import type { AccessList, Member } from "../api/types";
import { Button, Field, Select } from "../parts/controls";
import { Dialog } from "../parts/Dialog";
import { Problem } from "../parts/Problem";
import { useWords } from "../words";
import { FREQUENCIES, type Frequency, frequencyOf, pathOf } from "./list";

/** Who stays, who goes, when it is looked at again. `reviewed` gets the date of the next review. */
export function ReviewList(props: {
  list: AccessList;
  members: Member[];
  titles: Record<string, string>;
  close: () => void;
  reviewed: (next: string) => void;
}) {
  const { t } = useWords();
  const { list, members } = props;
  const present = frequencyOf(list);
  const [leaving, setLeaving] = useState<string[]>([]);
  const [notes, setNotes] = useState("");
  const [frequency, setFrequency] = useState<Frequency>(present);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);

  function keep(name: string, isKept: boolean) {
    setLeaving((old) => (isKept ? old.filter((each) => each !== name) : [...old, name]));
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const answer = await call<{ next_audit_date: string }>(
        "POST",
        `${pathOf(list.metadata.name)}/reviews`,
        { notes, removed_members: leaving, frequency: frequency === present ? "" : frequency },
      );
      props.reviewed(answer.next_audit_date);
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  }

  return (
    <Dialog title={t("lists.reviewTitle", { list: list.spec.title })} close={props.close}>
      <form className="flex flex-col gap-4" onSubmit={(event) => void submit(event)}>
        {members.length ? (
          <fieldset className="flex flex-col gap-1">
            <legend className="mb-1 font-medium text-sm">{t("lists.whoStays")}</legend>
            {members.map(({ spec: { name } }) => (
              <label key={name} className="flex min-h-8 items-center gap-3 text-sm">
                <input
                  type="checkbox"
                  className="size-4 shrink-0 accent-link"
                  checked={!leaving.includes(name)}
                  onChange={(event) => keep(name, event.target.checked)}
                />
                <span className="min-w-0 break-words">{props.titles[name] ?? name}</span>
              </label>
            ))}
          </fieldset>
        ) : null}
        <Field
          label={t("lists.notes")}
          maxLength={MAX_REASON}
          value={notes}
          onChange={(event) => setNotes(event.target.value)}
        />
        <Select
          label={t("lists.again")}
          value={frequency}
          choose={setFrequency}
          options={FREQUENCIES.map((value) => ({ value, label: t(`lists.every.${value}`) }))}
        />
        <p role="status" className="text-sm text-soft">
          {leaving.length ? t("lists.leaving", { count: leaving.length }) : ""}
        </p>
        <Problem error={error} />
        <div>
          <Button type="submit" disabled={isBusy}>
            {t("lists.record")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
