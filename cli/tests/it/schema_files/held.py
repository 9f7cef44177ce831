"""Holds pipeline files against the printed JSON Schema, as an editor does: `!include FILE` is a text to it."""
import json, re, sys
import jsonschema_rs, yaml

class Loader(yaml.SafeLoader):
    pass

Loader.add_constructor("!include", lambda loader, node: loader.construct_scalar(node))

def pipelines(path):
    text = open(path, encoding="utf-8").read()
    if path.endswith(".md"):
        for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S):
            # The types of plugins are known to their files alone.
            whole = all(re.search(rf"^{key}:", block, re.M) for key in ("pipeline", "sources", "sinks"))
            if whole and not re.search(r"^plugins:", block, re.M):
                yield block
    else:
        yield text

validator = jsonschema_rs.validator_for(json.load(open(sys.argv[1], encoding="utf-8")))
held = wrong = 0
for path in sys.argv[2:]:
    for text in pipelines(path):
        held += 1
        for error in validator.iter_errors(yaml.load(text, Loader)):
            wrong += 1
            print(f"{path}: {list(error.instance_path)}: {error.message[:300]}")
print(f"{held} held, {wrong} wrong")
sys.exit(wrong > 0)
