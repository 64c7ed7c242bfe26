"""The stand-in for the vendor's commands: plays back the shape of their output and copies prepared files.

Called as `python stand_in_command.py NAME ARGUMENTS...` by the wrappers that `stand_in.py` writes. The folder of the
wrappers holds scenario.json: {"version", "fail", "hang", "lines", "plain", "stripped", "quantized"}; a place is the
name of a command with its stage, such as "makertbin:calibrate".
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(os.environ["STAND_IN_FOLDER"])
SCENARIO = json.loads((HERE / "scenario.json").read_text())
STAMP = "2026-01-02 03:04:05,678 \x1b[92mINFO\x1b[0m "
ERROR = "2026-01-02 03:04:05,678 \x1b[91mERROR\x1b[0m "
TABLE = """\
======================================================================================
Node      ON   Subgraph  Type              Cosine Similarity  Threshold  DataType
--------------------------------------------------------------------------------------
/conv     BPU  id(0)     HzSQuantizedConv  0.999871           127.0      int8
"""


def say(text, stamp=STAMP):
    print(stamp + text, flush=True)


def at(place):
    """The place where this run is to fail, or to hang with a grandchild until it is killed."""
    if SCENARIO.get("fail") == place:
        for line in SCENARIO["lines"]:
            print(line, flush=True)
        sys.exit(SCENARIO.get("code", 255))
    if SCENARIO.get("hang") == place:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (HERE / "pids").write_text(f"{os.getpid()} {child.pid}")
        time.sleep(600)


def hb_mapper(arguments):
    if "--version" in arguments:
        print(f"hb_mapper, version {SCENARIO['version']}")
    elif arguments[0] == "checker":
        checker()
    else:
        makertbin(Path(arguments[arguments.index("--config") + 1]))


def checker():
    at("checker:start")
    Path(".hb_check").mkdir()
    Path("hb_mapper_checker.log").write_text("checked\n")
    say("End model checking....")
    at("checker:end")


def makertbin(config):
    prefix = next(
        line.split(":")[1].strip().strip("'\"")
        for line in config.read_text().splitlines()
        if "output_model_file_prefix" in line
    )
    say("Start hb_mapper....")
    for stage in ("prepare", "optimize", "calibrate", "quantize", "compile"):
        say(f"Start to {stage} the {'onnx ' if stage in ('prepare', 'optimize') else ''}model.")
        at(f"makertbin:{stage}")
        progress(stage)
        say(f"End to {stage} the {'onnx ' if stage in ('prepare', 'optimize') else ''}model.")
        if stage == "quantize":
            shutil.copyfile(SCENARIO["quantized"], f"{prefix}_quantized_model.onnx")
    log = ["Start hb_mapper....", "The main quantized node information:", *TABLE.splitlines(), "End Model Convert"]
    lines = (f"2026-01-02 03:04:05,678 file: a.py func: b line No: 1 {line}" for line in log[:2])
    Path("hb_mapper_makertbin.log").write_text("\n".join([*lines, *log[2:-1]]) + "\n")
    say("start convert to *.bin file....")
    at("makertbin:pack")
    if not SCENARIO.get("forget_bin"):
        shutil.copyfile(SCENARIO["plain"], f"{prefix}.bin")
    say("Convert to runtime bin file successfully!")


def progress(stage):
    if stage == "calibrate":
        for done in range(4):
            print(f"\rcalibration in progress: {done * 33}%|##   | {done}/3 [00:00<00:00, 9it/s]", end="", flush=True)
        print()
    if stage == "compile":
        for percent in (1, 50, 100):
            print(f"\r[{'=' * (percent // 2):<50}] {percent:3d}%", end="", flush=True)
        print()


def hb_model_modifier(arguments):
    at("hb_model_modifier:start")
    removed = [arguments[i + 1] for i, word in enumerate(arguments) if word == "-r"]
    shutil.copyfile(SCENARIO["stripped"], arguments[arguments.index("-o") + 1])
    Path("removed.txt").write_text("\n".join(removed))
    Path("hb_model_modifier.log").write_text("".join(f"Node '{name}' is removed\n" for name in removed))
    say(f"modified model saved as {arguments[-1]}")


def hb_model_info(arguments):
    at("hb_model_info:start")
    for name in Path("removed.txt").read_text().splitlines():
        if name != SCENARIO.get("unlisted"):
            say(f"deleted nodes: {name}")


def hbdk_cc(arguments):
    print("version: 3.49.15\nruntime version: 3.15.55.0")


def docker(arguments):
    """Runs what follows the image right here, in the folder that -w names."""
    if arguments[0] == "image":
        sys.exit(0 if SCENARIO.get("image", True) else 1)
    if arguments[0] == "kill":
        return
    at("docker:start")
    image = next(i for i, word in enumerate(arguments) if word.startswith("openexplorer/"))
    if "-w" in arguments:
        os.chdir(arguments[arguments.index("-w") + 1])
    COMMANDS[arguments[image + 1]](arguments[image + 2 :])


COMMANDS = {
    "hb_mapper": hb_mapper,
    "hb_model_modifier": hb_model_modifier,
    "hb_model_info": hb_model_info,
    "hbdk-cc": hbdk_cc,
    "docker": docker,
}

if __name__ == "__main__":
    with (HERE / "calls").open("a") as calls:
        calls.write(" ".join(sys.argv[1:]) + "\n")
    COMMANDS[sys.argv[1]](sys.argv[2:])
