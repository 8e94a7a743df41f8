"""Loaded by Schemathesis: what OpenAPI calls binary and byte are photos here.

Without this, all that it sends would rightly be refused.
"""

import base64
import io

import schemathesis
from hypothesis import strategies as st

from drawing import draw_garment

_file = io.BytesIO()
draw_garment("Jeans", "Blue").save(_file, "JPEG")

schemathesis.openapi.format("binary", st.just(_file.getvalue()))
schemathesis.openapi.format("byte", st.just(base64.b64encode(_file.getvalue()).decode()))
