import { useTranslation } from "react-i18next";
import { choose, LANGUAGES, type Language } from "../words";

export function LanguageChoice() {
  const { t, i18n } = useTranslation();
  return (
    <label className="flex items-center gap-2 text-slate-600 text-sm dark:text-slate-300">
      <span className="sr-only">{t("language")}</span>
      <select
        value={i18n.language}
        onChange={(event) => choose(event.target.value as Language)}
        className="min-h-9 rounded-lg border border-slate-300 bg-white px-2 dark:border-slate-600 dark:bg-slate-900"
      >
        {Object.entries(LANGUAGES).map(([code, name]) => (
          <option key={code} value={code}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
