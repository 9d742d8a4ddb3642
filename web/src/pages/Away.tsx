import { Button } from "../parts/controls";
import { Entrance } from "../parts/Entrance";
import { explain, Problem } from "../parts/Problem";
import { useWords } from "../words";

/** The cluster could not be asked who is here. */
export function Away({ error, retry }: { error: unknown; retry: () => void }) {
  const { t } = useWords();
  return (
    <Entrance page={t("product")} title={t("product")}>
      <Problem error={error} text={explain(error, t)} />
      <Button onClick={retry}>{t("tryAgain")}</Button>
    </Entrance>
  );
}
