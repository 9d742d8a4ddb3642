import type { AccessList, Standing } from "../api/types";
import { Badge } from "../parts/controls";
import { useWords } from "../words";
import { dueOf } from "./list";

/** What the person is to a list. */
export function Standings({ standing }: { standing: Standing }) {
  const { t } = useWords();
  return (
    <>
      {standing.is_owner ? <Badge>{t("lists.owner")}</Badge> : null}
      {standing.is_member ? <Badge>{t("lists.member")}</Badge> : null}
    </>
  );
}

/** Whether the members of a list have to be looked at. */
export function DueMark({ list, standing }: { list: AccessList; standing: Standing }) {
  const { t } = useWords();
  const due = dueOf(list, standing);
  if (due === "later") return null;
  return <Badge tone={due === "late" ? "bad" : "care"}>{t(`lists.due.${due}`)}</Badge>;
}
