"""What takes a process of seconds: packaging again, and cfn-lint, which loads its rules first."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from chalicelib import cors_spelling
from ops.packaging import bundle, merge
from ops.packaging.bundle import package
from tests.support.clone import clone_project

ROOT = Path(__file__).parents[2]


def test_cfn_lint_finds_nothing_in_any_template(packaged):
    alone = [ROOT / "resources" / name for name in ("pipeline.yaml", "access.yaml")]
    program = "from cfnlint.runner import main; main()"
    checked = subprocess.run(
        [sys.executable, "-c", program, "--include-checks", "I", "--", packaged.template_path, *alone],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr


def test_a_package_of_the_same_inputs_is_the_same_byte_for_byte(packaged, tmp_path):
    shutil.copytree(bundle.BUILD / "wheels", tmp_path / "wheels")
    again = package("prod", build_dir=tmp_path)
    assert not again.reused
    assert again.template_path.read_bytes() == packaged.template_path.read_bytes()
    assert again.zip_path.read_bytes() == packaged.zip_path.read_bytes()


def test_the_gateway_can_be_told_to_validate_bodies_as_the_documentation_says(tmp_path):
    [snippet] = re.findall(r"(?s)```yaml\n(.*?)```", (ROOT / "docs" / "security.md").read_text("utf-8"))
    for name in ("app.py", "requirements.txt", ".chalice", "chalicelib", "resources", "ops"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, tmp_path / name)
    shutil.copytree(bundle.BUILD / "wheels", tmp_path / "build" / "wheels")
    settings = tmp_path / "resources" / "one-stack.yaml"
    settings.write_text(merge.dump(merge.join([merge.load(snippet)], onto=merge.load(settings.read_text()))))
    made = package("prod", project_dir=tmp_path, build_dir=tmp_path / "build")
    definition = merge.load(made.template_path.read_text())["Resources"]["RestAPI"]["Properties"][
        "DefinitionBody"
    ]
    operation = definition["paths"]["/recommendations"]["post"]
    assert (
        operation["x-amazon-apigateway-request-validator"]
        in definition["x-amazon-apigateway-request-validators"]
    )
    assert operation["parameters"][0]["schema"]["$ref"].rsplit("/", 1)[-1] in definition["definitions"]
    assert operation["security"] == [{"api_key": []}]


def test_several_origins_and_more_headers_reach_the_preflight_the_gateway_and_the_functions(tmp_path):
    origins, headers = "https://shop.example, https://m.shop.example", "traceparent,baggage"
    project = clone_project(tmp_path)
    path = project / ".chalice" / "config.json"
    config = json.loads(path.read_text())
    config["environment_variables"] |= {"ALLOWED_ORIGIN": origins, "ALLOWED_HEADERS": headers}
    path.write_text(json.dumps(config))
    made = package("prod", project_dir=project, build_dir=project / "build")
    definition = made.template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    for route in definition["paths"].values():
        sent = route["options"]["x-amazon-apigateway-integration"]["responses"]["default"][
            "responseParameters"
        ]
        assert sent["method.response.header.Access-Control-Allow-Origin"] == "'*'"
        allowed = sent["method.response.header.Access-Control-Allow-Headers"].strip("'").split(",")
        assert {*allowed} == {*cors_spelling.ALWAYS_ALLOWED, "traceparent", "baggage"}
    for response in definition["x-amazon-apigateway-gateway-responses"].values():
        named = response["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"]
        assert named == "'*'"
    for function in ("APIHandler", "DeliverEvents"):
        variables = made.template["Resources"][function]["Properties"]["Environment"]["Variables"]
        assert (variables["ALLOWED_ORIGIN"], variables["ALLOWED_HEADERS"]) == (origins, headers)
