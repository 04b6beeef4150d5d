"""RLlib learns to balance a pole (gymnasium's CartPole) with PPO, played in two processes, until an episode holds long enough."""
from ray.rllib.algorithms.ppo import PPOConfig

GOAL, AT_MOST = 150, 25  # steps that an episode holds, of 500; iterations

config = (PPOConfig()
          .api_stack(enable_rl_module_and_learner=True, enable_env_runner_and_connector_v2=True)
          .environment("CartPole-v1")
          .env_runners(num_env_runners=2, num_envs_per_env_runner=2)
          .learners(num_learners=0)  # in the job's own process
          .training(train_batch_size_per_learner=2000, minibatch_size=125, num_epochs=8, lr=1e-3, vf_loss_coeff=0.01)
          .reporting(metrics_num_episodes_for_smoothing=20)
          .debugging(seed=7))
algorithm = config.build_algo()
mean = 0
for iteration in range(1, AT_MOST + 1):
    mean = algorithm.train()["env_runners"]["episode_return_mean"]
    print(f"iteration {iteration}: an episode holds for {mean:.0f} steps", flush=True)
    if mean >= GOAL:
        break
algorithm.stop()
if mean < GOAL:
    raise SystemExit(f"an episode holds for less than {GOAL} steps after {AT_MOST} iterations")
print(f"balanced for {GOAL} steps or more after {iteration} iterations")
