"""Whether the issuer could issue, as its supervisor and its balancer ask."""


async def test_it_is_ready_while_the_database_can_be_read(issuer):
    """A clock that answers is not enough: a page of the database is read."""
    assert (await issuer.client.get("/healthz/ready")).status == 200
    await issuer.services.database.transaction(lambda tx: tx.execute("DROP TABLE status_head"))
    response = await issuer.client.get("/healthz/ready")
    assert (response.status, (await response.json())["code"]) == (503, "storage_unavailable")
    assert (await issuer.client.get("/healthz/live")).status == 200
