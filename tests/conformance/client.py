"""Requests to the server under test, with the headers that every call of the platform carries."""

import json
import time

import requests


class Client:
    def __init__(self, base_url, credentials, sandbox="prod"):
        self.base_url, self.credentials = base_url.rstrip("/"), credentials
        self.session = requests.Session()
        self.token_until = 0
        self.common = {
            "x-api-key": credentials["client_id"],
            "x-gw-ims-org-id": credentials["org_id"],
            "x-sandbox-name": sandbox,
        }

    def send(self, method, path, headers=None, body=None, query=None):
        self._log_in()
        sent = dict(self.common)
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        data = None if body is None else json.dumps(body).encode()
        return self.session.request(
            method, self.base_url + path, params=query, headers=sent, data=data, timeout=30, allow_redirects=False
        )

    def _log_in(self):
        if time.monotonic() < self.token_until:
            return
        form = {
            "grant_type": "client_credentials",
            "client_id": self.credentials["client_id"],
            "client_secret": self.credentials["client_secret"],
            "scope": ",".join(self.credentials.get("scopes", [])),
        }
        answer = self.session.post(f"{self.base_url}/ims/token/v3", data=form, timeout=30)
        answer.raise_for_status()
        token = answer.json()
        self.common["Authorization"] = f"Bearer {token['access_token']}"
        self.token_until = time.monotonic() + min(600, token["expires_in"] / 2)
