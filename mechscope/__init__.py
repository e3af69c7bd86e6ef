"""mechscope: papers about mechanisms inside language models, regenerated from code."""
