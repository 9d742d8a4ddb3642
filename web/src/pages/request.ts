import type { AccessRequest, RequestState } from "../api/types";

/** Characters that auth takes as a reason. */
export const MAX_REASON = 4096;

export function stateOf({ spec }: AccessRequest): RequestState {
  return spec.state ?? "PENDING";
}

/** Roles and resources by name. */
export function wantedOf({ spec }: AccessRequest): string[] {
  const resources = (spec.requested_resource_ids ?? []).map(({ kind, name }) => `${kind}/${name}`);
  return [...(spec.roles ?? []), ...resources];
}
