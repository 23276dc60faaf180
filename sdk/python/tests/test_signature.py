"""Who may call: the test vector of Standard Webhooks, and everything that is refused."""

import base64
import tempfile
import unittest
from pathlib import Path

import sources  # noqa: F401 (first: it makes the rest importable)

from sea_mq.signature import keys, secrets_from, sign, why_refused
from sea_mq.testing import signed

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY, AT, ID = b'{"test": 2432232314}', 1614265330, "msg_p5jXN8AQM9LWM0D4loKWxJek"


def secret(byte: int, length: int = 24) -> str:
    return f"whsec_{base64.b64encode(bytes([byte] * length)).decode()}"


class TestSignature(unittest.TestCase):
    def test_the_vector(self) -> None:
        (key,) = keys([SECRET])
        self.assertEqual(sign(key, ID, AT, BODY), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")

    def refused(self, secrets: list[str], body: bytes = BODY, now: float = AT, **changed: str) -> str | None:
        headers = signed(secret(1), BODY, ID, AT)
        return why_refused(
            keys(secrets), {**headers, **{f"webhook-{name}": it for name, it in changed.items()}}, body, now
        )

    def test_one_secret_that_fits_is_enough(self) -> None:
        self.assertIsNone(self.refused([secret(1)]))
        self.assertIsNone(self.refused([secret(2), secret(1)]))
        right = signed(secret(1), BODY, ID, AT)["webhook-signature"]
        self.assertIsNone(self.refused([secret(1)], signature=f"v1a,abc v1,AAAA {right}"))

    def test_anything_else_is_refused(self) -> None:
        self.assertIn("another secret", self.refused([secret(2)]) or "")
        self.assertIn("another secret", self.refused([secret(1)], body=BODY + b" ") or "")
        right = signed(secret(1), BODY, ID, AT)["webhook-signature"]
        for changed in [
            {"id": "another"}, {"id": ""}, {"timestamp": str(AT + 1)}, {"timestamp": ""}, {"timestamp": "soon"},
            {"timestamp": f"{AT}.0"}, {"timestamp": "١"}, {"signature": ""}, {"signature": "v1,"}, {"signature": "v1,é"},
            {"signature": right.removeprefix("v1,")}, {"signature": right.replace("v1,", "v2,")},
        ]:  # fmt: skip
            self.assertIsNotNone(self.refused([secret(1)], **changed), changed)

    def test_a_time_too_far_off_is_refused(self) -> None:
        for off, fits in [(-301, False), (-300, True), (300, True), (301, False)]:
            self.assertEqual(self.refused([secret(1)], now=AT + off) is None, fits, off)


class TestSecrets(unittest.TestCase):
    def test_what_is_no_secret_is_refused_and_not_told(self) -> None:
        for wrong in [
            "",
            "hunter2hunter2",
            "whsec_",
            "whsec_hunter2",
            secret(1, 23),
            secret(1, 65),
            secret(1)[6:],
            secret(1) + "!",
        ]:
            with self.assertRaises(ValueError) as refused:
                keys([secret(1), wrong])
            self.assertIn("secret 2 is none", str(refused.exception))
            self.assertNotRegex(str(refused.exception), "hunter2|AQEB")

    def test_they_come_from_the_environment_or_a_file(self) -> None:
        two = [secret(1), secret(2, 64)]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "secret"
            file.write_text("\n".join(two) + "\n")
            self.assertEqual(secrets_from({"HANDLER_SECRET_FILE": str(file)}), two)
            self.assertEqual(secrets_from({"HANDLER_SECRET": " ".join(two), "HANDLER_SECRET_FILE": ""}), two)
            self.assertEqual(secrets_from({"HANDLER_SECRET": ""}), [])
            file.write_text("\n")
            for environment in (
                {"HANDLER_SECRET": secret(1), "HANDLER_SECRET_FILE": str(file)},
                {"HANDLER_SECRET_FILE": str(file)},
                {"HANDLER_SECRET_FILE": f"{file}.gone"},
                {"HANDLER_SECRET": " "},
                {"HANDLER_SECRET": "hunter2"},
            ):
                with self.assertRaises(ValueError) as refused:
                    secrets_from(environment)
                self.assertNotIn("hunter2", str(refused.exception))


if __name__ == "__main__":
    unittest.main()
