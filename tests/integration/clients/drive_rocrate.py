"""Checks the crate in a folder with the validator of the RO-Crate community; prints what it has against it, as JSON.

The context of RO-Crate 1.1 is taken from the library ``rocrate``, so that nothing is fetched.
"""

import json
import sys
from importlib.resources import files

import requests
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


def get(self, url, *args, **kwargs):
    assert url == CONTEXT, url
    answer = requests.Response()
    answer.status_code, answer.url = 200, url
    answer.headers["Content-Type"] = "application/ld+json"
    answer._content = (files("rocrate") / "data" / "ro-crate.jsonld").read_bytes()
    return answer


HttpRequester.get = get
settings = services.ValidationSettings(
    rocrate_uri=sys.argv[1],
    profile_identifier="process-run-crate-0.5",
    requirement_severity=models.Severity.REQUIRED,
)
result = services.validate(settings)
print(json.dumps([f"{one.check.identifier} {one.message} {one.violatingEntity}" for one in result.get_issues()]))
