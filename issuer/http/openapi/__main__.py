"""`python -m issuer.http.openapi > docs/reference/openapi.json`."""

import sys

from issuer.http.openapi.reference import reference

sys.stdout.write(reference())
