"""58: what a group gave does not outlive the group: not in a certificate, nor in what is made from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from auth_cluster import auth_cluster, key_pair

from teleport.api.routes import certificates
from teleport.auth.access_lists.grants import reconcile
from teleport.credentials import x509
from teleport.foundation.errors import AccessDenied
from teleport.model.resource import Metadata
from teleport.model.resources.access_list import (
    AccessList,
    AccessListMember,
    AccessListMemberSpec,
    AccessListSpec,
    Grants,
    Owner,
)
from teleport.model.resources.role_conditions import RoleConditions


@pytest.mark.parametrize("grants", [Grants(roles=["dba"]), Grants(traits={"logins": ["root"]})])
async def test_no_certificate_is_made_from_one_that_a_list_gave(tmp_path: Path, grants: Grants) -> None:
    async with auth_cluster(tmp_path) as cluster:
        for name in ("plain", "dba"):
            await cluster.role(name, RoleConditions(logins=[name]))
        spec = AccessListSpec(title="dbas", owners=[Owner(name="olga")], grants=grants)
        await cluster.store.create(AccessList(metadata=Metadata(name="dbas"), spec=spec))
        member = AccessListMember(
            metadata=Metadata(name="alice"), spec=AccessListMemberSpec(access_list="dbas", name="alice")
        )
        await cluster.store.create(member)
        person = await cluster.sign_up("alice", "plain")
        granted = await cluster.log_in_for(person)
        client = cluster.client(granted.tls_cert)
        keys = key_pair()
        wanted = certificates.IssueCertificates(ssh_public_key=keys.ssh, tls_public_key=keys.tls)
        await client.call(certificates.ISSUE, wanted)
        await cluster.store.delete(AccessListMember, "dbas/alice")
        await reconcile(cluster.service.cluster)
        with pytest.raises(AccessDenied):
            await client.call(certificates.ISSUE, wanted)
        again = x509.read_identity((await cluster.log_in_for(person)).tls_cert, "user")
        assert again.roles == ("plain",)
        assert "root" not in again.traits.get("logins", ())
