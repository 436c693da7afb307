import pytest

from server.camera.address import AddressError, WatchAddress, parse_address

SERVER = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    "address",
    [
        f"{SERVER}/v1/sessions/s1",
        f"{SERVER}/v1/sessions/s1/",
        f"{SERVER}/v1/sessions/s1/whep",
        f"{SERVER}/v1/sessions/s1/whip",
        f"{SERVER}/view#session=s1",
        f"  {SERVER}/view?hud=1&session=s1\n",
    ],
)
def test_every_address_of_a_session_leads_to_its_whep_endpoint(address: str) -> None:
    assert parse_address(address) == WatchAddress(f"{SERVER}/v1/sessions/s1/whep", None, True)


@pytest.mark.parametrize("path", ["", "/", "/whep", "/whip", "/view", "/view?hud=1"])
def test_an_address_without_a_session_leads_to_the_newest(path: str) -> None:
    assert parse_address(SERVER + path) == WatchAddress(f"{SERVER}/whep", None, False)


@pytest.mark.parametrize("where", ["view#token=a%20b", "v1/sessions/s1/events?token=a%20b"])
def test_a_token_in_the_address_is_read_and_taken_out(where: str) -> None:
    read = parse_address(f"{SERVER}/{where}")
    assert read.token == "a b"
    assert "token" not in read.endpoint


def test_a_server_under_a_path_keeps_it() -> None:
    read = parse_address("https://example.org/afterimage/view#session=s1&token=t")
    assert read == WatchAddress("https://example.org/afterimage/v1/sessions/s1/whep", "t", True)


def test_another_products_whep_endpoint_stays_as_it_is() -> None:
    address = "https://[::1]:8889/live/stream/whep?layer=1"
    assert parse_address(address) == WatchAddress(address, None, False)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:8080/view", "begin with http"),
        ("ftp://127.0.0.1/view", "begin with http"),
        ("http:///view", "a host"),
        ("", "begin with http"),
        ("http://127.0.0.1:port/", "not an address"),
        ("http://[::1/", "not an address"),
        ("http://me:secret@127.0.0.1/view", "--token"),
    ],
)
def test_what_is_no_address_is_said_to_be_none(address: str, why: str) -> None:
    with pytest.raises(AddressError, match=why):
        parse_address(address)
