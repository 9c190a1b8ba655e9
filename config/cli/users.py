"""`pacs user`, `pacs token`: the users of HTTP, and tokens for their scripts."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from pathlib import Path

import click

from config.cli.options import data_option, installation, organization_id
from config.compose import Installation
from config.sources import secret_key
from pacs import passwords
from pacs.accounts import MAX_SESSION, SessionKind, User, email_address, known_role, new_session
from pacs.actor import system_actor
from pacs.errors import Forbidden, NotFound
from pacs.http.tokens import Tokens
from pacs.rights import ROLES
from storage.accounts import organizations
from storage.accounts.users import NewUser

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([1-9][0-9]{0,6})([smhd])")


class _Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        match = _DURATION.fullmatch(str(value))
        if match is None:
            self.fail("write a number and s, m, h or d, such as 90m or 30d", param, ctx)
        given = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
        if given > MAX_SESSION:
            self.fail(f"a token lasts at most {MAX_SESSION.days}d", param, ctx)
        return given


_role = click.Choice(list(ROLES))
_organization = click.option(
    "--organization", "code", default="default", show_default=True, help="The user's organisation."
)


@click.group()
def user() -> None:
    """Users of the HTTP interfaces: people and scripts."""


@user.command()
@click.argument("email")
@data_option
@click.option("--role", type=_role, required=True, help="What the user may do.")
@_organization
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--first-name", default="")
@click.option("--last-name", default="")
def add(email: str, data_dir: Path | None, role: str, code: str, password_stdin: bool, **names: str) -> None:
    """Add the user EMAIL.

    Without --password-stdin a one-time password is printed, which must be changed at the first sign-in.
    """
    address = email_address(email)
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else passwords.one_time()
    passwords.check_strength(password, address)
    with installation(data_dir, may_begin=True) as composed:
        number = organization_id(composed, code)
        new = NewUser(number, address, role, passwords.hashed(password), not password_stdin, **names)
        composed.accounts.add(system_actor("pacs user", number), new)
    click.echo(
        f"{address} is added as {role}; sign in on the web pages, or `pacs token create --email {address}`."
    )
    if not password_stdin:
        click.echo(f"One-time password, not shown again: {password}")


@user.command("list")
@data_option
def list_(data_dir: Path | None) -> None:
    """Show the users."""
    with installation(data_dir) as composed:
        users = composed.accounts.all()
        codes = {each.id: each.code for each in organizations.all_of(composed.database)}
    for each in users:
        state = "active" if each.active else "disabled"
        click.echo(f"{each.email:<40}  {each.role:<12}  {codes[each.organization]:<16}  {state}")
    if not users:
        click.echo("There is no user yet: `pacs user add EMAIL --role ROLE`.", err=True)


@user.command(short_help="Disable EMAIL.")
@click.argument("email")
@data_option
def disable(email: str, data_dir: Path | None) -> None:
    """Disable EMAIL: its sessions and tokens end within a second."""
    address = email_address(email)
    with installation(data_dir) as composed:
        composed.accounts.disable(system_actor("pacs user"), address)
    click.echo(f"{address} is disabled; its sessions and tokens have ended.")


@user.command()
@click.argument("email")
@data_option
def enable(email: str, data_dir: Path | None) -> None:
    """Enable EMAIL again, with its former password."""
    address = email_address(email)
    with installation(data_dir) as composed:
        composed.accounts.enable(system_actor("pacs user"), address)
    click.echo(f"{address} may sign in again; earlier tokens stay ended.")


@user.command("reset-password")
@click.argument("email")
@data_option
def reset_password(email: str, data_dir: Path | None) -> None:
    """Print a new one-time password for EMAIL.

    It must be changed at the first sign-in; all sessions and tokens of EMAIL end within a second.
    """
    address, password = email_address(email), passwords.one_time()
    with installation(data_dir) as composed:
        composed.accounts.reset_password(system_actor("pacs user"), address, passwords.hashed(password))
    click.echo(f"One-time password of {address}, not shown again: {password}")


@click.group()
def token() -> None:
    """Bearer tokens for scripts."""


@token.command()
@data_option
@click.option("--email", required=True, help="The user of the token.")
@click.option("--role", type=_role, help="A role with fewer rights than the user's.")
@click.option("--expires", type=_Duration(), default="1h", show_default=True, help="Such as 90m, 12h, 30d.")
@click.option("--create", is_flag=True, help="Add the user when there is none; needs --role.")
@_organization
def create(
    data_dir: Path | None, email: str, role: str | None, expires: timedelta, create: bool, code: str
) -> None:
    """Print a bearer token, and nothing else, on standard output.

    curl -H "Authorization: Bearer $(pacs token create --email E)" http://localhost:8080/dicom-web/studies
    """
    address = email_address(email)
    if create and role is None:
        raise click.UsageError("--create needs --role.")
    with installation(data_dir, may_begin=True) as composed:
        owner = _owner(composed, address, role if create else None, code)
        session = new_session(owner, SessionKind.TOKEN, expires, role)
        if not ROLES[session.role] <= ROLES[owner.role]:
            raise Forbidden(f"{address} has the role {owner.role}, which has fewer rights than {role}")
        composed.accounts.open_session(system_actor("pacs token", owner.organization), session)
        click.echo(Tokens(secret_key(composed.settings)).issue(session))


def _owner(composed: Installation, email: str, create_as: str | None, code: str) -> User:
    """The user of the token; added when there is none and `create_as` names a role."""
    number = organization_id(composed, code)
    found = composed.accounts.credentials(email)
    if found is None and create_as is None:
        raise NotFound(f"there is no user {email}; --create and --role add it")
    if found is None:
        new = NewUser(number, email, known_role(create_as or ""))
        return composed.accounts.add(system_actor("pacs token", number), new)
    if not found.user.active:
        raise Forbidden(f"{email} is disabled; `pacs user enable {email}` lets it in again")
    if found.user.organization != number:
        raise Forbidden(f"{email} is a user of another organisation than {code}: name it with --organization")
    return found.user
