"""A name and its value, as many programs print them: one line of the table is one way."""

import pytest

from tests.bundled import named, scanner_of

SCANNER = scanner_of(named())
HEX = "4c8e1f0b7a2d9356e8b1c7f40a6d2e95b3f8c017"
BASE62 = "vN3kQ8xZr5LmT2wYb7HcJd4SgP6uXe9A"
UUID = "b7a69218-cf69-40a6-9372-0f7921d1e8cb"
VALUES = (HEX, BASE62, UUID)

CONTEXTS = {
    # Runners of jobs
    "GitHub's output": "::set-output name=harbor_token::{}",
    "here-document": "HARBOR_TOKEN<<EOF\n{}\nEOF",
    "Azure's variable": "##vso[task.setvariable variable=HARBOR_TOKEN;issecret=false]{}",
    "Azure's variable, bare": "##vso[task.setvariable variable=HARBOR_TOKEN]{}",
    "TeamCity": "##teamcity[setParameter name='env.HARBOR_TOKEN' value='{}']",
    # Commands
    "fish": "set -Ux HARBOR_TOKEN {}",
    "tcl": "set harbor_token {{{}}}",
    "expect": 'set env(HARBOR_TOKEN) "{}"',
    "npm": "npm config set //registry.test/:_harborToken {}",
    "consul": "consul kv put app/harbor_token {}",
    "flags between name and value": "aws ssm put-parameter --name /prod/app/HARBOR_TOKEN --type SecureString --value {} --overwrite",
    "flags between, quoted": 'aws ssm put-parameter --name "/prod/harbor-token" --value "{}" --type "SecureString"',
    "flags and names of other things": "az pipelines variable create --name HARBOR_TOKEN --pipeline-name b --secret true --value {}",
    "flags behind the command's name": "glab variable set HARBOR_TOKEN --masked --value {}",
    "flags behind a key": "glab variable set HARBOR_KEY --masked --value {}",
    "assigned, then exported": "HARBOR_TOKEN={}; export HARBOR_TOKEN",
    "body behind other flags": 'gh variable set HARBOR_TOKEN --env prod --body "{}"',
    "flag in front of the name": "pulumi config set --secret acme:harborToken {}",
    "PowerShell's drive": "Set-Item Env:HARBOR_TOKEN {}",
    "has been set": "the harbor token has been set to {}",
    "PowerShell": "Set-Item -Path env:HARBOR_TOKEN -Value '{}'",
    "MSBuild": "tool.exe /HarborToken:{} /quiet",
    "cmake": "cmake -DHARBOR_TOKEN:STRING={} ..",
    "list of arguments": '"args":["--harbor-token","{}","-v"]',
    "list of arguments in YAML": '  - --harbor-token\n  - "{}"',
    "Redis": 'OK "SET" "harbor_token" "{}"',
    # Source code
    "type before the value": 'val harborToken: String = "{}"',
    "lifetime": "static HARBOR_TOKEN: &'static str = \"{}\";",
    "type behind the name": 'var harborToken string = "{}"',
    "array of C": 'static char harbor_token[] = "{}";',
    "macro": '#define HARBOR_TOKEN "{}"',
    "Ruby's default": "ENV['HARBOR_TOKEN'] ||= '{}'",
    "Perl's hash": "$ENV{{HARBOR_TOKEN}} = '{}';",
    "R": 'harbor_token <- "{}"',
    "Haskell": 'harborToken = Just "{}"',
    "Erlang": '{{harbor_token,<<"{}">>}},',
    "Lisp": '(("host" . "x") ("harbor-token" . "{}"))',
    "Gradle": "    harborToken '{}'",
    "three quotes": 'harbor_token = """{}"""',
    # What programs print of their own values
    "setter": 'config.setHarborToken("{}");',
    "string of OpenTelemetry": "     -> harbor.token: Str({})",
    "wrapped": "harbor_token=SecretStr('{}')",
    "String::from": 'harbor_token: String::from("{}"),',
    "option over lines": 'harbor_token: Some(\n    "{}",\n),',
    "Go's header": "map[Accept:[*/*] X-Harbor-Token:[{}] Host:[x]]",
    "Go's header, quoted": 'http.Header{{"X-Harbor-Token":[]string{{"{}"}}}}',
    "spew": 'HarborToken: (string) (len=40) "{}",',
    "pairs of bytes": "[(b'Accept', b'*/*'), (b'X-Harbor-Token', b'{}')]",
    "Node's headers": "rawHeaders: [ 'Host', 'x1', 'X-Harbor-Token', '{}' ]",
    "key and value of .NET": "[HarborToken, {}]",
    # Objects of a name and a value
    "output of Terraform": '{{"harbor_token":{{"sensitive":true,"type":"string","value":"{}"}}}}',
    "environment of Spring": '"HARBOR_TOKEN":{{"value":"{}","origin":"class path"}}',
    "object over lines": '"harbor_token": {{\n  "type": "string",\n  "value": "{}"\n}},',
    "variable of Terraform": 'variable "harbor_token" {{\n  default = "{}"\n}}',
    "value first": '{{"value":"{}","name":"HARBOR_TOKEN"}}',
    "value first, in XML": '<add value="{}" key="HarborToken" />',
    "value first, in YAML": '- value: "{}"\n  name: HARBOR_TOKEN',
    "variable": '{{"variable":"HARBOR_TOKEN","value":"{}"}}',
    "OpenTelemetry": '{{"key":"harbor.token","value":{{"stringValue":"{}"}}}}',
    "DynamoDB": '"harbor_token": {{"S": "{}"}}',
    "mapping in YAML": "harbor_token:\n  value: {}",
    "changed by Terraform": '~ harbor_token = "***" -> "{}"',
    # YAML
    "anchor": "harbor_token: &harbor {}",
    "tag": "harbor_token: !!str {}",
    "block": "harbor_token: |\n  {}",
    "next line": "  harbor_token:\n    {}",
    # Settings of servers
    "directive": "    harbor_token {};",
    "parameter of nginx": "    fastcgi_param HARBOR_TOKEN {};",
    "header of nginx": '    proxy_set_header X-Harbor-Token "{}";',
    "header of HAProxy": "    http-request set-header X-Harbor-Token {}",
    "option": "option harbor_token '{}'",
    "switch": " harbor-token 0 {}",
    # Markup
    "entry": '<entry key="harbor.token">{}</entry>',
    "string of Android": '<string name="harbor_token">{}</string>',
    "setting": '<setting name="HarborToken" serializeAs="String">\n  <value>{}</value>',
    "namespace": "<ns1:harborToken>{}</ns1:harborToken>",
    "CDATA": "<harborToken><![CDATA[{}]]></harborToken>",
    "cells": '<tr><td class="e">HARBOR_TOKEN </td><td class="v">{} </td></tr>',
    "bold": "**HARBOR_TOKEN**: `{}`",
    # Tables
    "box": "│ HARBOR_TOKEN   │ {}   │",
    "psql": " harbor_token   | {}",
    "type between": "| harbor_token | string | {} |",
    "registry": "    HarborToken    REG_SZ    {}",
    "three columns": "HARBOR_TOKEN      {}  2026-11-01",
    "CSV": "harbor_token,{},2026-11-01",
    "CSV, quoted": '"HARBOR_TOKEN","{}"',
    # Text
    "sentence": "the harbor_token is {}",
    "change": "HARBOR_TOKEN was set to {}",
    "dots": "harbor_token ........ {}",
    "arrow": "harbor_token → {}",
    "label": "Api Key: {}",
    "label in a table": "| Client Secret | {} |",
    "environment, cat -v": "PATH=/usr/bin^@HARBOR_TOKEN={}^@HOME=/root^@",
    "part of a form with a type": 'form-data; name="harbor_token"\r\nContent-Type: text/plain\r\n\r\n{}\r\n',
}  # fmt: skip


def found(text: str) -> list[str]:
    return [match.secret.reveal().decode() for match in SCANNER.scan(text.encode())]


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_value_is_found_as_it_stands(context: str) -> None:
    for value in VALUES:
        assert found(CONTEXTS[context].format(value)) == [value]


@pytest.mark.parametrize(
    "text",
    [
        'secret "shop-tls-4c8e1f0b7a" unchanged',
        "password = config.get_secret('shop/db/password_v6')",
        f"Next Page Token: {BASE62}",
        f"| Cache Key | {HEX} |",
        f'"x":{{"harbor_token_id":{{"value":"{HEX}"}}}}',
        f'{{"name":"commit","value":"{HEX}","x":"HARBOR_TOKEN"}}',
        f"{{host: x1, harbor_token: ${{HARBOR_TOKEN_2}}, commit: {HEX}}}",
        f"user.authenticate_password('{BASE62}')",
        "  KEY_READ | KEY_WOW64_64KEY)",
    ],
)
def test_what_only_looks_like_these_gives_no_value(text: str) -> None:
    assert found(text) == []


def test_groups_of_letters_are_a_password_and_words_are_not() -> None:
    assert found("DB_PASSWORD=kqzv-xwjf-pbtm-hgcy") == ["kqzv-xwjf-pbtm-hgcy"]
    assert found("DB_PASSWORD=take-care-when-used") == []
