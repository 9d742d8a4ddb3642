import type { AccessRequest, RequestState } from "./types";

/** Characters that auth takes as a reason. */
export const MAX_REASON = 4096;

/** Resources that auth takes in one request. */
export const MAX_RESOURCES = 300;

export function pathOf(id: string): string {
  return `/v1/accessrequests/${encodeURIComponent(id)}`;
}

export function stateOf({ spec }: AccessRequest): RequestState {
  return spec.state ?? "PENDING";
}

/** Roles and resources by name. */
export function wantedOf({ spec }: AccessRequest): string[] {
  const resources = (spec.requested_resource_ids ?? []).map(({ kind, name }) => `${kind}/${name}`);
  return [...(spec.roles ?? []), ...resources];
}

/** Whether it can be taken on now. A request that became a membership counts with the next login instead. */
export function isInForce({ spec }: AccessRequest, now = Date.now()): boolean {
  const hasBegun = !spec.assume_start_time || Date.parse(spec.assume_start_time) <= now;
  const isOver = Boolean(spec.expires) && Date.parse(spec.expires ?? "") <= now;
  return spec.state === "APPROVED" && hasBegun && !isOver;
}
