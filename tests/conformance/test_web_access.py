"""Access over HTTP: every route of the application, against a started server."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pydicom.uid import generate_uid

from pacs.http.health import DETAILED
from pacs.rights import ROLES
from tests.conformance.routes import Listed, table
from tests.conformance.senders import small_ct
from tests.conformance.server import Server
from tests.conformance.test_rest import store

LOGIN, LOGOUT = "/api/v1/auth/login", "/api/v1/auth/logout"
FOR_EVERYBODY = re.compile(
    r"/health(/live|/ready)?|/api/v1/health(/(live|readi)ness)?|/metrics|/api/v1/auth/login|"
    r"/|/signin|/uploads|/deletions|/view(er)?(/.*)?|/assets/.*|/favicon.*|/ohif.*|/api/v1/signed/.*|"
    r"(/api)?/docs|(/api/v1)?/(redoc|swagger-ui)"
)
"""What answers without a token: health, signing in, pages that hold no data, signed addresses."""
NOTICED = 1.5  # seconds after which what another process ended is ended here


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Listed]:
    return table(tmp_path_factory.mktemp("routes"))


def status(client: httpx.Client, method: str, path: str) -> tuple[int, httpx.Headers]:
    """Of an answer that is not waited for to its end: some have none."""
    with client.stream(method, path) as answer:
        return answer.status_code, answer.headers


def test_only_what_holds_no_data_is_public(routes: list[Listed]) -> None:
    assert {route.path for route in routes if route.public} == {
        route.path for route in routes if FOR_EVERYBODY.fullmatch(route.path)
    }


def test_without_a_token_nothing_else_answers(server: Server, routes: list[Listed]) -> None:
    guarded = [(route.method, route.filled({})) for route in routes if not route.public]
    assert len(guarded) > 20
    everywhere = [("GET", "/nowhere"), ("DELETE", "/dicom-web/studies/1.2.3"), ("GET", "/api/v1/nothing")]
    with httpx.Client(base_url=server.url) as client:
        for method, path in guarded + everywhere:
            answer = client.request(method, path, headers={"X-Correlation-ID": "same"})
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json() == {
                "status": "error",
                "code": "UNAUTHENTICATED",
                "message": "This needs a valid token or a signed-in session.",
                "correlation_id": "same",
            }


@pytest.mark.parametrize(
    "given", ["Bearer x", "Bearer", "Basic YTpi", "bearer a.b.c", "Bearer " + "a" * 5000, ""]
)
def test_what_is_no_token_of_ours_lets_nobody_in(server: Server, given: str) -> None:
    answer = httpx.get(f"{server.url}/dicom-web/studies", headers={"Authorization": given})
    assert answer.status_code == 401


def test_each_role_reaches_what_it_has_the_right_to(server: Server, routes: list[Listed]) -> None:
    nowhere = {name: "9.9" for route in routes for name in route.parameters}
    for role, rights in ROLES.items():
        with server.web(role) as web:
            for route in routes:
                if route.public or route.path == LOGOUT:
                    continue
                found, _ = status(web, route.method, route.filled(nowhere))
                unwell = route.path == DETAILED and found == 503  # as a busy machine may say
                assert (found < 500 or unwell) and found != 401, (role, str(route), found)
                allowed = route.right is None or route.right in rights
                assert (found != 403) is allowed, (role, str(route), found)


def test_the_roles_are_told(server: Server) -> None:
    with server.web("viewer") as web:
        told = web.get("/api/v1/roles").json()["roles"]
    assert {role: set(rights) for role, rights in told.items()} == ROLES


def _user(server: Server, role: str = "radiologist", password: str = "correct horse battery") -> str:
    email = f"u{generate_uid()[-12:]}@example.test"
    server.quick_command("user", "add", email, "--role", role, "--password-stdin", typed=password + "\n")
    return email


def _sign_in(server: Server, email: str, password: str = "correct horse battery") -> httpx.Response:
    return httpx.post(server.url + LOGIN, json={"email": email, "password": password})


def test_a_session_begins_and_ends(server: Server) -> None:
    email = _user(server)
    answer = _sign_in(server, email.upper())
    assert answer.status_code == 200
    body = answer.json()
    assert (body["token_type"], body["user"]["email"]) == ("bearer", email)
    assert body["user"]["organization"] == "default"
    bearer = {"Authorization": f"Bearer {body['access_token']}"}
    me = httpx.get(server.url + "/api/v1/auth/me", headers=bearer)
    assert (me.json()["email"], me.json()["rights"]) == (email, ["edit", "read", "store"])
    assert httpx.post(server.url + LOGOUT, headers=bearer).status_code == 204
    assert httpx.get(server.url + "/api/v1/auth/me", headers=bearer).status_code == 401


def test_signing_out_takes_effect_in_every_process(server: Server) -> None:
    bearer = {"Authorization": f"Bearer {_sign_in(server, _user(server)).json()['access_token']}"}
    with ExitStack() as opened:
        made = (httpx.Client(base_url=server.url, headers=bearer) for _ in range(16))
        connections = [opened.enter_context(each) for each in made]  # whichever process accepts each
        assert {each.get("/api/v1/auth/me").status_code for each in connections} == {200}
        assert connections[0].post(LOGOUT).status_code == 204
        assert {each.get("/api/v1/auth/me").status_code for each in connections} == {401}


def test_a_browsers_session_changes_nothing_without_the_csrf_token(server: Server) -> None:
    email = _user(server)
    with httpx.Client(base_url=server.url) as browser:
        credentials = {"email": email, "password": "correct horse battery"}
        answer = browser.post(LOGIN, json=credentials)
        cookie = answer.headers["set-cookie"]
        assert re.match(r"pacs_session=\S+; HttpOnly; .*SameSite=lax$", cookie)
        assert browser.get("/api/v1/auth/me").status_code == 200
        refused = browser.post(LOGOUT)
        assert (refused.status_code, refused.json()["code"]) == (403, "CSRF")
        assert browser.post(LOGOUT, headers={b"X-CSRF-Token": "ä".encode()}).status_code == 403
        csrf = browser.get("/api/v1/auth/me").json()["csrf_token"]
        assert csrf == answer.json()["csrf_token"]
        assert browser.post(LOGOUT, headers={"X-CSRF-Token": csrf}).status_code == 204
        assert browser.get("/api/v1/auth/me").status_code == 401


def test_other_sites_forms_cannot_sign_anybody_in(server: Server) -> None:
    answer = httpx.post(server.url + LOGIN, content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((400, body) for body in (b"", b"{", b"\xff", b"[" * 9000)),
        *((422, body) for body in (b"[]", b"{}", b'{"email": 1, "password": "x"}')),
        (422, b'{"email": "%b", "password": "x"}' % (b"e" * 257)),
        (413, b'{"email": "%b", "password": "x"}' % (b"e" * 70_000)),
    ],
)
def test_bad_bodies_are_refused(server: Server, status: int, body: bytes) -> None:
    answer = httpx.post(server.url + LOGIN, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text


def test_guessing_is_slowed_down(server: Server) -> None:
    email = _user(server)
    answers = [_sign_in(server, email, f"guess number {n}") for n in range(5)]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["code"] for answer in answers} == {"INVALID_CREDENTIALS"}
    sixth = _sign_in(server, email)
    assert sixth.status_code == 429
    assert 0 < int(sixth.headers["Retry-After"]) <= 900
    told = server.sql(f"select count(*) from audit where action = 'login_failed' and actor_name = '{email}'")
    assert told == "(5,)"
    security = (server.data / "log" / "security.log").read_text()
    assert security.count(f'"user": "{email}", ') == 5
    nobody = [_sign_in(server, "nobody@example.test") for _ in range(6)]
    assert [answer.status_code for answer in nobody] == [401] * 5 + [429]
    assert {**nobody[0].json(), "correlation_id": ""} == {**answers[0].json(), "correlation_id": ""}
    assert "nobody@" not in (server.data / "log" / "security.log").read_text()


def test_a_right_password_forgives_the_wrong_ones(server: Server) -> None:
    email = _user(server)
    for _ in range(2):
        assert [_sign_in(server, email, "wrong one").status_code for _ in range(4)] == [401] * 4
        assert _sign_in(server, email).status_code == 200


def test_one_changes_ones_own_password(server: Server) -> None:
    email = _user(server)
    here, there = (_sign_in(server, email).json()["access_token"] for _ in range(2))
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {here}"}) as web:

        def change(old: str, new: str) -> tuple[int, str]:
            body = {"old_password": old, "new_password": new}
            answer = web.post("/api/v1/auth/password", json=body)
            return answer.status_code, answer.json()["code"] if answer.content else ""

        assert change("not the old one", "another good one") == (401, "INVALID_CREDENTIALS")
        assert change("correct horse battery", "short") == (422, "WEAK_PASSWORD")
        assert change("correct horse battery", "password123") == (422, "WEAK_PASSWORD")
        assert change("correct horse battery", "another good one") == (204, "")
        assert web.get("/api/v1/auth/me").status_code == 200
    other = {"Authorization": f"Bearer {there}"}
    assert httpx.get(server.url + "/api/v1/auth/me", headers=other).status_code == 401
    assert _sign_in(server, email).status_code == 401
    assert _sign_in(server, email, "another good one").status_code == 200


def test_a_one_time_password_is_changed_first(server: Server) -> None:
    email = f"u{generate_uid()[-12:]}@example.test"
    said = server.quick_command("user", "add", email, "--role", "admin")
    once = re.search(r"One-time password, not shown again: (\S+)", said)
    assert once
    signed_in = _sign_in(server, email, once[1]).json()
    assert (signed_in["user"]["must_change_password"], signed_in["rights"]) == (True, [])
    bearer = {"Authorization": f"Bearer {signed_in['access_token']}"}
    with httpx.Client(base_url=server.url, headers=bearer) as web:
        refused = web.get("/dicom-web/studies")
        assert (refused.status_code, refused.json()["code"]) == (403, "PASSWORD_CHANGE_REQUIRED")
        body = {"old_password": once[1], "new_password": "one that I choose"}
        assert web.post("/api/v1/auth/password", json=body).status_code == 204
        assert web.get("/dicom-web/studies").status_code in (200, 204)


def test_a_disabled_user_is_out_at_once(server: Server) -> None:
    email = _user(server)
    tokens = [
        _sign_in(server, email).json()["access_token"],
        server.quick_command("token", "create", "--email", email).strip(),
    ]
    clients = [{"Authorization": f"Bearer {token}"} for token in tokens]
    me = server.url + "/api/v1/auth/me"
    assert [httpx.get(me, headers=each).status_code for each in clients] == [200, 200]
    server.quick_command("user", "disable", email)
    time.sleep(NOTICED)
    assert [httpx.get(me, headers=each).status_code for each in clients] == [401, 401]
    assert _sign_in(server, email).status_code == 401
    assert "disabled" in server.quick_command("token", "create", "--email", email, code=1)
    assert re.search(
        rf"^{email} +radiologist +default +disabled$", server.quick_command("user", "list"), re.M
    )


def test_an_enabled_user_is_let_in_again(server: Server) -> None:
    email = _user(server)
    old = _sign_in(server, email).json()["access_token"]
    server.quick_command("user", "disable", email)
    assert f"pacs user enable {email}" in server.quick_command("token", "create", "--email", email, code=1)
    server.quick_command("user", "enable", email)
    assert _sign_in(server, email).status_code == 200
    me = httpx.get(server.url + "/api/v1/auth/me", headers={"Authorization": f"Bearer {old}"})
    assert me.status_code == 401, "what ended stays ended"


def test_a_lost_password_is_replaced_by_one_for_one_time(server: Server) -> None:
    email = _user(server)
    old = _sign_in(server, email).json()["access_token"]
    said = server.quick_command("user", "reset-password", email)
    once = re.search(r"not shown again: (\S+)", said)
    assert once
    signed_in = _sign_in(server, email, once[1]).json()
    assert signed_in["user"]["must_change_password"] is True
    assert _sign_in(server, email).status_code == 401, "the one that was lost opens nothing"
    time.sleep(NOTICED)
    me = httpx.get(server.url + "/api/v1/auth/me", headers={"Authorization": f"Bearer {old}"})
    assert me.status_code == 401


def test_an_event_stream_ends_with_its_session(server: Server) -> None:
    email = _user(server)
    bearer = {"Authorization": f"Bearer {_sign_in(server, email).json()['access_token']}"}
    late = small_ct(generate_uid(), generate_uid())
    with httpx.stream("GET", server.url + "/api/v1/events", headers=bearer) as events, server.web() as others:
        assert events.status_code == 200
        server.quick_command("user", "disable", email)
        time.sleep(NOTICED)
        store(others, late)
        heard = b"".join(events.iter_raw())
    assert str(late.StudyInstanceUID).encode() not in heard


def test_a_token_expires(server: Server) -> None:
    email = _user(server)
    token = server.quick_command("token", "create", "--email", email, "--expires", "1s").strip()
    time.sleep(3.5)
    answer = httpx.get(server.url + "/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_EXPIRED")


def test_a_token_may_no_more_than_its_user(server: Server) -> None:
    email = _user(server, "viewer")
    assert "has fewer rights than" in server.quick_command(
        "token", "create", "--email", email, "--role", "admin", code=1
    )
    assert "--create" in server.quick_command("token", "create", "--email", "new@example.test", code=1)
    radiologist = _user(server)
    token = server.quick_command("token", "create", "--email", radiologist, "--role", "viewer").strip()
    me = httpx.get(server.url + "/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["rights"] == ["read"]


@pytest.mark.parametrize(
    ("arguments", "typed", "code"),
    [
        (("user", "add", "not an address", "--role", "viewer", "--password-stdin"), "good enough one", 1),
        (("user", "add", "a@example.test", "--role", "boss", "--password-stdin"), "good enough one", 2),
        (("user", "add", "a@example.test", "--role", "viewer", "--password-stdin"), "short", 1),
        (("user", "add", "a@example.test", "--role", "viewer", "--organization", "nowhere"), "", 1),
        (("user", "disable", "unknown@example.test"), "", 1),
        (("user", "enable", "unknown@example.test"), "", 1),
        (("user", "reset-password", "unknown@example.test"), "", 1),
        (("token", "create", "--email", "a@example.test", "--expires", "soon"), "", 2),
        (("token", "create", "--email", "a@example.test", "--create"), "", 2),
    ],
)
def test_what_makes_no_sense_is_refused(
    server: Server, arguments: tuple[str, ...], typed: str, code: int
) -> None:
    server.quick_command(*arguments, typed=typed, code=code)


def test_a_user_is_added_once(server: Server) -> None:
    email = _user(server)
    again = ("user", "add", email, "--role", "admin", "--password-stdin")
    assert "already" in server.quick_command(*again, typed="good enough one\n", code=1)


def test_refusals_are_audited_and_no_flood(server: Server) -> None:
    def count() -> int:
        rows = "select count(*) from audit where action = 'access' and outcome = 'denied'"
        return int(server.sql(rows).strip("(),"))

    before = count()  # of other tests
    with httpx.Client(base_url=server.url) as client:
        for _ in range(100):
            assert client.get("/dicom-web/studies").status_code == 401
    with server.web("viewer") as viewer:
        assert viewer.delete("/api/v1/studies/1.2.3").status_code == 403
    assert 1 <= count() <= before + 20
    details = server.sql("select distinct details from audit where action = 'access'")
    assert '"status":401' in details and '"status":403' in details


def test_no_secret_is_kept_or_logged(server: Server) -> None:
    password = "correct horse battery"
    email = _user(server, password=password)
    token = _sign_in(server, email).json()["access_token"]
    kept = server.sql(f"select password_hash from users where email = '{email}'")
    assert "$argon2id$" in kept and password not in kept
    assert password not in server.output() and token not in server.output()
    assert token not in server.sql("select * from sessions")


def test_open_is_for_this_machine_only(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"PACS_OPEN": "1"})
    server.start()
    try:
        with httpx.Client(base_url=server.url) as anybody:
            assert anybody.get("/dicom-web/studies").status_code in (200, 204)
            assert anybody.get("/api/v1/auth/me").json()["open"] is True
            rebound = anybody.get("/dicom-web/studies", headers={"Host": "evil.example"})
            assert rebound.status_code == 403
            for hostile in (
                {"Origin": "http://evil.example"},
                {"Origin": "null"},
                {"Sec-Fetch-Site": "cross-site"},
            ):
                assert anybody.post("/dicom-web/studies", headers=hostile).status_code == 403, hostile
            assert anybody.post("/dicom-web/studies", headers={"Origin": server.url}).status_code != 403
    finally:
        server.stop()
    assert "one-time" not in server.output()


def test_the_first_administrator(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    try:
        said = re.search(r"admin@localhost with the one-time password (\S+)", server.output())
        assert said
        assert _sign_in(server, "admin@localhost", said[1]).status_code == 200
    finally:
        server.stop()
    server.start()
    server.stop()
    assert len(re.findall("one-time password", server.output())) == 1
    kept = (server.data / "log").rglob("*")
    assert not any(said[1] in path.read_text("utf-8", "replace") for path in kept if path.is_file())


def test_listed_origins_may_call_and_no_other(tmp_path: Path) -> None:
    origin = "https://viewer.example"
    server = Server(tmp_path / "data", {"PACS_CORS_ORIGINS": f"{origin}, http://localhost:3000"})
    server.start()
    try:
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        with server.web() as web:
            allowed = httpx.options(server.url + "/dicom-web/studies", headers={"Origin": origin, **asked})
            assert allowed.status_code == 204
            assert allowed.headers["Access-Control-Allow-Origin"] == origin
            assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
            answer = web.get("/dicom-web/studies", headers={"Origin": origin})
            for name in ("Content-Type", "Content-Length", "ETag", "X-Total-Count", "Warning"):
                assert name in answer.headers["Access-Control-Expose-Headers"]
            for path in ("/dicom-web/studies", "/health", "/nowhere"):
                other = {"Origin": "https://evil.example"}
                assert "Access-Control-Allow-Origin" not in web.get(path, headers=other).headers
                refused = web.options(path, headers={**other, **asked})
                assert not [name for name in refused.headers if name.startswith("access-control")]
    finally:
        server.stop()


def test_behind_tls_the_browser_is_told_to_stay_there(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"PACS_BASE_URL": "https://pacs.example"})
    server.start()
    try:
        answer = _sign_in(server, _user(server))
        assert "; Secure" in answer.headers["set-cookie"]
        assert "max-age" in answer.headers["Strict-Transport-Security"]
    finally:
        server.stop()


def test_the_cookie_is_not_for_other_programs_at_the_same_address(server: Server) -> None:
    """They would receive it, and another archive there would replace it by its own."""
    behind = {"X-Forwarded-Prefix": "/archive"}
    credentials = {"email": _user(server), "password": "correct horse battery"}
    with httpx.Client(base_url=server.url, headers=behind) as browser:
        answer = browser.post(LOGIN, json=credentials)
        assert "; Path=/archive; " in answer.headers["set-cookie"]
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert "; Path=/archive; " in browser.post(LOGOUT, headers=bearer).headers["set-cookie"]


def test_without_tls_nothing_is_said_of_it(server: Server) -> None:
    answer = _sign_in(server, _user(server))
    assert "Secure" not in answer.headers["set-cookie"]
    assert "Strict-Transport-Security" not in answer.headers
