"""What soft_prompt_finetune.py does."""
