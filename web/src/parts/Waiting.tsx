import { useTranslation } from "react-i18next";

export function Waiting() {
  const { t } = useTranslation();
  return (
    <p role="status" className="p-8 text-slate-600 dark:text-slate-400">
      {t("loading")}…
    </p>
  );
}
