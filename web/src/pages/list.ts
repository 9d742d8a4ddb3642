import type { AccessList, Grants, Standing } from "../api/types";
import type { Say } from "../words";

export const KIND_LIST = "MEMBERSHIP_KIND_LIST";

export const FREQUENCIES = ["1month", "3months", "6months", "1year"] as const;
export type Frequency = (typeof FREQUENCIES)[number];

/** How the next review stands: far away, near enough to do it, or missed. */
export type Due = "later" | "near" | "late";

export function pathOf(name: string): string {
  return `/v1/accesslists/${encodeURIComponent(name)}`;
}

export function dueOf(list: AccessList, standing: Standing, now = Date.now()): Due {
  const next = list.spec.audit?.next_audit_date;
  if (next && Date.parse(next) <= now) return "late";
  return standing.is_review_due ? "near" : "later";
}

export function frequencyOf(list: AccessList): Frequency {
  const given = list.spec.audit?.recurrence?.frequency;
  return FREQUENCIES.find((each) => each === given) ?? "6months";
}

/** Roles by their names, traits as `name: values`. */
export function givenBy(grants: Grants | null | undefined, t: Say): string[] {
  const roles = (grants?.roles ?? []).map((role) => t("lists.role", { role }));
  const traits = Object.entries(grants?.traits ?? {}).map(
    ([name, values]) => `${name}: ${values.join(", ")}`,
  );
  return [...roles, ...traits];
}

/** The last moment of a day as the person chose it, in their own time zone. */
export function endOfDay(date: string): string {
  return new Date(`${date}T23:59:59`).toISOString();
}
