"""The fall of the cosine, found in a graph small enough to follow by hand."""

from __future__ import annotations

from dataclasses import replace

from edgekit.report.cosine_trace import trace_flow
from edgekit.report.gather import collect
from edgekit.report.graph import BuildGraph, GraphNode, block_of, build_graph
from edgekit.report.report import make_report
from tests.logs import synthetic
from tests.report.builds import build_of
from tests.typed import required


def graph(**nodes: tuple[float | None, tuple[str, ...]]) -> BuildGraph:
    made = {name: GraphNode(name, cosine, feeders) for name, (cosine, feeders) in nodes.items()}
    return BuildGraph(made, {"left": "l", "right": "r"}, "by hand")


def test_a_fall_reaches_only_what_hangs_behind_it():
    flow = trace_flow(
        graph(
            a=(0.999, ()),
            b=(0.995, ("a",)),
            shape=(None, ("b",)),
            l=(0.96, ("shape",)),
            c=(0.99, ("a",)),
            r=(0.993, ("c",)),
        ),
        {"left": 0.961},
    )
    assert required(flow.first).node == "l"
    assert abs(required(flow.first).drop - 0.035) < 1e-9  # against b, through the node without a cosine
    left, right = flow.routes
    assert (left.output, left.cosine, left.fall.node, left.blocks) == ("left", 0.961, "l", ("l",))
    assert (right.cosine, right.fall.node, right.blocks) == (0.993, "c", ("c", "r"))


def test_the_fall_is_against_the_lowest_feeder_and_may_rise_again():
    flow = trace_flow(graph(a=(0.97, ()), b=(0.999, ()), l=(0.98, ("a", "b")), r=(0.999, ("b",))), {})
    assert flow.drops["l"].drop < 0
    assert required(flow.first).node == "a"  # the first node is measured against 1


def test_blocks_are_named_as_people_name_them():
    names = {
        "/model.8/m.0/cv2/act/Mul": "model.8",
        "/model.22/cv2.0/cv2.0.2/Conv": "model.22/cv2.0",
        "/model.23/one2one_cv3.1/one2one_cv3.1.2/Conv": "model.23/one2one_cv3.1",
        "/model.22/proto/cv3/act/Mul": "model.22/proto",
        "/model.24/m.1/Conv": "model.24/m.1",
        "443_HzDequantize": "443_HzDequantize",
    }
    assert {name: block_of(name) for name in names} == names


def test_edges_from_the_record_and_from_the_names_agree(tmp_path):
    log = synthetic.makertbin()
    record = {f"{synthetic.PREFIX}_quant_info": synthetic.quant_info()}
    told = make_report(build_of(tmp_path / "told", log=log, **record)).facts.flow
    guessed = make_report(build_of(tmp_path / "guessed", log=log)).facts.flow
    assert (required(told).source, "guess" in required(guessed).source) == ("quant_info.json", True)
    assert required(told).first == required(guessed).first
    assert required(required(told).first).node == "/model.1/act/Mul"
    assert {r.output: (r.fall.node, r.cosine) for r in required(told).routes} == {
        r.output: (r.fall.node, r.cosine) for r in required(guessed).routes
    }
    assert required(told).routes[0].blocks == ("model.1", "model.2", "model.3/cv2.0")


def test_names_without_modules_follow_the_tables_order(tmp_path):
    nodes = [synthetic.Node(name, cosine=c) for name, c in (("conv1", 0.999), ("conv2", 0.95), ("fc", 0.96))]
    heads = [replace(synthetic.HEADS[0], name="logits", node="fc", cosine=0.96)]
    flow = make_report(build_of(tmp_path, log=synthetic.makertbin(nodes=nodes, heads=heads))).facts.flow
    assert "order" in required(flow).source
    assert (required(required(flow).first).node, required(flow).routes[0].output) == ("conv2", "logits")


def test_a_modifiers_listing_names_the_outputs_of_an_old_log(tmp_path):
    report = make_report(
        build_of(tmp_path, log=synthetic.makertbin(generation="2024"), modifier=synthetic.modifier(removed=True))
    )
    assert {o.name: (o.role, o.cosine, o.cosine_from) for o in report.facts.outputs} == {
        "box": ("box", 0.991, "last node"),
        "cls": ("class", 0.9993, "last node"),
        "mask": ("mask", 0.988, "last node"),
        "proto": ("proto", 0.992, "last node"),
    }


def test_a_checkers_table_has_no_flow(tmp_path):
    assert make_report(build_of(tmp_path, log=synthetic.checker())).facts.flow is None


def test_the_real_build_by_its_three_sources(shared_data):
    build = collect(shared_data / "horizon" / "yolov8n_seg_nv12").builds[0]
    bare = replace(build, quant_nodes=())
    graphs = [required(build_graph(b)) for b in (build, bare, replace(bare, quantized_onnx=None))]
    rows = required(build.log).output_rows
    cosines = {row.name: row.cosine for row in rows if row.cosine is not None}
    flows = [trace_flow(g, cosines) for g in graphs]
    assert [f.source.split()[-1] for f in flows] == ["quant_info.json", "ONNX", "guess)"]
    for flow in flows:
        assert required(flow.first).node == "/model.7/act/Mul"
        assert max(flow.drops.values(), key=lambda fall: fall.drop).node == "/model.8/cv2/act/Mul"
        assert sorted(r.output for r in flow.routes) == sorted(cosines)
        ends = {r.output: r.blocks[-1] for r in flow.routes}
        assert ends["475"] == "model.22/cv2.0"
        assert ends["515"] == "model.22/cv3.2"
