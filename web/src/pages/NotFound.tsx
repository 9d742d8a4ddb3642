import { Link } from "react-router";
import { Page } from "../parts/Page";
import { useWords } from "../words";

export function NotFound() {
  const { t } = useWords();
  return (
    <Page title={t("notFound.title")}>
      <p className="text-soft">{t("notFound.text")}</p>
      <p>
        <Link to="/servers" className="font-medium text-link underline underline-offset-4">
          {t("notFound.home")}
        </Link>
      </p>
    </Page>
  );
}
