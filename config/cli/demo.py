"""`pacs demo`: an organisation with synthetic studies and users of all roles, to try things out."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.cli.options import data_option, installation, progress_bar

if TYPE_CHECKING:
    from config.compose import Installation
    from pacs.actor import Actor
    from pacs.archive import Archive

CODE = "demo"
DOMAIN = "demo.example"


@click.command()
@data_option
def demo(data_dir: Path | None) -> None:
    """Add an organisation `demo` to try things out.

    It has synthetic studies, and a user of each role.

    Also while the server runs. What is there already stays as it is.
    """
    from pacs.actor import system_actor

    with installation(data_dir, may_begin=True) as composed:
        actor = system_actor("pacs demo", _organization(composed))
        studies = _add_studies(composed, actor)
        users, password = _add_users(composed, actor)
    click.echo(f"Organisation {CODE}: {studies} studies and {len(users)} users added.")
    if users:
        click.echo(f"Sign in as {', '.join(users)} with the password {password} (not shown again).")
    else:
        click.echo(
            f"Its users are there already; `pacs user reset-password radiologist@{DOMAIN}` lets one in."
        )


def _organization(composed: Installation) -> int:
    from pacs.actor import system_actor
    from storage.accounts import organizations

    found = organizations.find(composed.database, CODE)
    if found is None:
        found = organizations.add(composed.database, system_actor("pacs demo"), CODE, "Demonstration")
    return found.id


def _add_studies(composed: Installation, actor: Actor) -> int:
    from pacs.demo.studies import STUDIES

    stored = {study.uid: _stored(composed.archive, actor, study.uid) for study in STUDIES}
    missing = [study for study in STUDIES if len(stored[study.uid]) < study.instances]
    with progress_bar("drawing") as bar:
        for study in bar.track(missing):
            for uid, file in study.files(date.today()):
                if uid not in stored[study.uid]:
                    composed.archive.store_file(actor, (file,))
    return len(missing)


def _stored(archive: Archive, actor: Actor, study: str) -> set[str]:
    """SOP Instance UIDs: an earlier run may have been interrupted."""
    from pacs.errors import NotFound

    try:
        return {each.identity.sop_instance_uid for each in archive.retrieve(actor, study)}
    except NotFound:
        return set()


def _add_users(composed: Installation, actor: Actor) -> tuple[list[str], str]:
    """Those that were added, and the password of them all."""
    from pacs import passwords
    from pacs.rights import ROLES
    from storage.accounts.users import NewUser

    password = passwords.one_time()
    hashed = passwords.hashed(password)
    added = [email for role in ROLES if composed.accounts.credentials(email := f"{role}@{DOMAIN}") is None]
    for email in added:
        role = email.partition("@")[0]
        new = NewUser(actor.organization, email, role, hashed, first_name="Demo", last_name=role.capitalize())
        composed.accounts.add(actor, new)
    return added, password
