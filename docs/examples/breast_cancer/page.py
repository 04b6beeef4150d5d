"""A Gradio page in front of the model, itself an application of Serve: whoever may use the cluster may use it."""
from ray import serve

SHOWN = ["mean radius", "mean texture", "mean smoothness"]


def blocks():
    import gradio
    import pandas

    cancer = serve.get_app_handle("cancer")
    typical = pandas.read_csv("/data/breast_cancer.csv").drop(columns="target").median().to_dict()

    async def judge(*values):
        (benign,) = await cancer.predict.remote({**typical, **dict(zip(SHOWN, values))})
        return f"benign with a probability of {benign:.2f}"

    with gradio.Blocks(title="Breast cancer", analytics_enabled=False) as made:
        gradio.Markdown("# Breast cancer\nOther measures are those of a typical patient.")
        inputs = [gradio.Slider(0, 4 * typical[name], typical[name], label=name) for name in SHOWN]
        answer = gradio.Textbox(label="What the model says")
        gradio.Button("Ask").click(judge, inputs, answer, api_name="judge")
    return made


def page(address):
    """The application; <address> is the path at which browsers see it, through the gateway."""

    def build():
        import gradio
        from fastapi import FastAPI

        app = gradio.mount_gradio_app(FastAPI(), blocks(), path=address)

        async def at_address(scope, receive, send):
            """Serve names a path below its own route; Gradio finds itself below the address that browsers see."""
            if "path" in scope:
                below = scope["path"].removeprefix(scope.get("root_path", ""))
                scope = {**scope, "path": address + below, "root_path": ""}
            await app(scope, receive, send)

        return at_address

    return serve.deployment(serve.ingress(build)(), ray_actor_options={"num_cpus": 0.2}).bind()
