"""What works with access requests, put together."""

from __future__ import annotations

from dataclasses import dataclass

from teleport.auth.access_lists.members import ListMembers
from teleport.auth.access_requests.asking import Asking
from teleport.auth.access_requests.assuming import Assuming
from teleport.auth.access_requests.deciding import Deciding
from teleport.auth.access_requests.reading import Reading
from teleport.auth.access_requests.receiving import Receiving
from teleport.auth.access_requests.register import Register
from teleport.auth.access_requests.telling import Telling
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.listing import Listing
from teleport.auth.webhooks.outbox import Outbox
from teleport.storage.replica import Replica


@dataclass(frozen=True)
class AccessRequests:
    register: Register
    asking: Asking
    deciding: Deciding
    reading: Reading
    assuming: Assuming
    outbox: Outbox
    receiving: Receiving

    @classmethod
    def of(cls, cluster: Cluster, guard: Guard, listing: Listing, replica: Replica) -> AccessRequests:
        """`replica` holds the requests."""
        register, outbox = Register(cluster, replica), Outbox(cluster)
        telling = Telling(cluster, outbox)
        deciding = Deciding(cluster, guard, register, telling, ListMembers(cluster, guard))
        return cls(
            register=register,
            asking=Asking(cluster, guard, register, deciding, telling),
            deciding=deciding,
            reading=Reading(cluster, guard, register, listing),
            assuming=Assuming(cluster, guard, register),
            outbox=outbox,
            receiving=Receiving(cluster, deciding),
        )
