import type { AccessList, Standing } from "../api/types";
import { Badge } from "../parts/controls";
import { useWords } from "../words";
import { dueOf } from "./list";

/** What the person is to a list, and whether those who run it have to look at its members. */
export function Standings({ list, standing }: { list: AccessList; standing: Standing }) {
  const { t } = useWords();
  const due = dueOf(list, standing);
  return (
    <>
      {standing.is_owner ? <Badge>{t("lists.owner")}</Badge> : null}
      {standing.is_member ? <Badge>{t("lists.member")}</Badge> : null}
      {standing.runs && due !== "later" ? (
        <Badge tone={due === "late" ? "bad" : "care"}>{t(`lists.due.${due}`)}</Badge>
      ) : null}
    </>
  );
}
