import { useEffect, useState } from "react";
import { call } from "../api/call";
import { pathOf } from "../api/request";
import type { AccessRequest, RequestedResource } from "../api/types";
import { Label } from "./controls";
import { ServersIcon } from "./icons";

/** What a request is for: roles, and resources by the names that people know them by. */
export function Wanted({ request }: { request: AccessRequest }) {
  const { spec, metadata } = request;
  const resources = spec.requested_resource_ids ?? [];
  const hasResources = resources.length > 0;
  const [named, setNamed] = useState<RequestedResource[] | null>(null);

  useEffect(() => {
    if (!hasResources) return;
    let isCurrent = true;
    call<{ resources?: RequestedResource[] }>("GET", `${pathOf(metadata.name)}/resources`)
      .then((answer) => isCurrent && setNamed(answer.resources ?? []))
      .catch(() => undefined); // the ids say it too
    return () => {
      isCurrent = false;
    };
  }, [hasResources, metadata.name]);

  const shown: RequestedResource[] = named ?? resources.map(({ kind, name }) => ({ id: `${kind}/${name}` }));
  return (
    <span className="flex min-w-0 flex-wrap items-center gap-1.5">
      {(spec.roles ?? []).map((role) => (
        <Label key={role}>{role}</Label>
      ))}
      {shown.map(({ id, name }) => (
        <span
          key={id}
          className="flex min-w-0 items-center gap-1 rounded-md bg-well px-2 py-0.5 font-mono text-xs"
        >
          <ServersIcon className="size-3.5" />
          <span className="min-w-0 break-all">{name || id}</span>
        </span>
      ))}
    </span>
  );
}
