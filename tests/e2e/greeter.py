"""An application of Ray Serve that speaks gRPC, unary and streaming, as a program that serves it."""

SERVED = """
from ray import serve
from ray.serve.generated.serve_pb2 import UserDefinedResponse
serve.start(proxy_location="HeadOnly", grpc_options={"port": 9000, "grpc_servicer_functions": [
    "ray.serve.generated.serve_pb2_grpc.add_UserDefinedServiceServicer_to_server"]})
@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Greeter:
    def __call__(self, message):
        return UserDefinedResponse(greeting="Hello " + message.name)
    def Streaming(self, message):
        for i in range(5):
            yield UserDefinedResponse(greeting=f"{i} {message.name}")
serve.run(Greeter.bind(), name="greeter", route_prefix="/greeter")
"""
